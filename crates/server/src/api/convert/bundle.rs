//! Bundles; the texts are SPIRE's.

use jiff::Timestamp;
use steeple_crypto::keys::PublicKey;
use steeple_crypto::x509::Certificate;
use steeple_proto::spire::api::types;
use steeple_types::{Bundle, JwtAuthority, TrustDomain, X509Authority};

use super::seconds;

/// The fields of a bundle that `mask` names; all without a mask.
pub(crate) fn bundle_to_pb(bundle: &Bundle, mask: Option<&types::BundleMask>) -> types::Bundle {
    let with = |field: fn(&types::BundleMask) -> bool| mask.is_none_or(field);
    let mut out = types::Bundle { trust_domain: bundle.trust_domain.name().to_owned(), ..types::Bundle::default() };
    if with(|m| m.x509_authorities) {
        let to_pb = |authority: &X509Authority| types::X509Certificate {
            asn1: authority.certificate.clone(),
            tainted: authority.tainted,
        };
        out.x509_authorities = bundle.x509_authorities.iter().map(to_pb).collect();
    }
    if with(|m| m.jwt_authorities) {
        out.jwt_authorities = bundle.jwt_authorities.iter().map(jwt_authority_to_pb).collect();
    }
    if with(|m| m.refresh_hint) {
        out.refresh_hint = bundle.refresh_hint;
    }
    if with(|m| m.sequence_number) {
        out.sequence_number = bundle.sequence_number;
    }
    out
}

pub(crate) fn jwt_authority_to_pb(authority: &JwtAuthority) -> types::JwtKey {
    types::JwtKey {
        public_key: authority.public_key.clone(),
        key_id: authority.key_id.clone(),
        expires_at: seconds(authority.expires_at),
        tainted: authority.tainted,
    }
}

/// A bundle of a request; taint is the owner's to say and therefore ignored.
pub(crate) fn bundle_from_pb(bundle: &types::Bundle) -> Result<Bundle, String> {
    Ok(Bundle {
        trust_domain: TrustDomain::parse(&bundle.trust_domain).map_err(|e| format!("invalid trust domain: {e}"))?,
        x509_authorities: x509_authorities(&bundle.x509_authorities)
            .map_err(|error| format!("unable to parse X.509 authority: {error}"))?,
        jwt_authorities: jwt_authorities(&bundle.jwt_authorities)
            .map_err(|error| format!("unable to parse JWT authority: {error}"))?,
        refresh_hint: bundle.refresh_hint,
        sequence_number: bundle.sequence_number,
    })
}

/// X.509 authorities of a request, each read once.
pub(crate) fn x509_authorities(certificates: &[types::X509Certificate]) -> Result<Vec<X509Authority>, String> {
    let mut authorities = Vec::new();
    for certificate in certificates {
        for parsed in Certificate::many_from_der(&certificate.asn1).map_err(|error| error.to_string())? {
            authorities.push(X509Authority { certificate: parsed.der().to_vec(), tainted: false });
        }
    }
    Ok(authorities)
}

/// JWT authorities of a request.
pub(crate) fn jwt_authorities(keys: &[types::JwtKey]) -> Result<Vec<JwtAuthority>, String> {
    keys.iter().map(jwt_authority).collect()
}

/// A JWT authority of a request; taint is not the caller's to say.
pub(crate) fn jwt_authority(key: &types::JwtKey) -> Result<JwtAuthority, String> {
    let public_key = PublicKey::from_spki(&key.public_key).map_err(|error| error.to_string())?;
    if key.key_id.is_empty() {
        return Err("missing key ID".to_owned());
    }
    let expires_at = match key.expires_at {
        0 => None,
        at => Some(Timestamp::from_second(at).map_err(|_| format!("invalid expiration time: {at}"))?),
    };
    Ok(JwtAuthority { key_id: key.key_id.clone(), public_key: public_key.spki().to_vec(), expires_at, tainted: false })
}
