//! Bundles as texts: certificates in PEM, or a SPIFFE bundle document.

use jiff::Timestamp;
use steeple_crypto::bundle::{BundleError, from_given_document, to_document};
use steeple_crypto::pem;
use steeple_crypto::x509::Certificate;
use steeple_proto::spire::api::types::{Bundle as WireBundle, JwtKey, X509Certificate};
use steeple_types::{Bundle, JwtAuthority, TrustDomain, X509Authority};

use crate::commands::failure::{Explain, Failure};
use crate::commands::files::json_fault;
use crate::commands::quote::quote;

/// The form of a bundle's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BundleFormat {
    /// Certificates in PEM; JWT authorities are left out.
    Pem,
    /// A SPIFFE bundle document.
    Spiffe,
}

impl BundleFormat {
    /// The flag's default.
    pub(crate) const DEFAULT: &'static str = "pem";

    /// Reads the flag; nothing means PEM.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        match text.to_lowercase().as_str() {
            "" | "pem" => Ok(Self::Pem),
            "spiffe" => Ok(Self::Spiffe),
            other => Err(format!("invalid format: {}", quote(other)).into()),
        }
    }
}

/// A bundle as text.
pub(crate) fn text(bundle: &WireBundle, format: BundleFormat) -> Result<String, Failure> {
    match format {
        BundleFormat::Pem => pem_text(bundle),
        BundleFormat::Spiffe => {
            let document = to_document(&from_wire(bundle)?).map_err(|error| Failure(error.to_string()))?;
            Ok(document + "\n")
        }
    }
}

/// Reads the bundle of the trust domain `id`.
pub(crate) fn parse(content: &[u8], format: BundleFormat, id: &str) -> Result<WireBundle, Failure> {
    match format {
        BundleFormat::Pem => {
            let certificates = pem_certificates(content).explain("unable to parse bundle data")?;
            let x509_authorities = certificates.into_iter().map(|asn1| X509Certificate { asn1, tainted: false });
            Ok(WireBundle {
                trust_domain: id.to_owned(),
                x509_authorities: x509_authorities.collect(),
                ..WireBundle::default()
            })
        }
        BundleFormat::Spiffe => {
            let bundle = from_given_document(TrustDomain::parse(id)?, content).map_err(|error| match error {
                BundleError::Json(error) => Failure(format!("unable to parse JWKS: {}", json_fault(content, &error))),
                other => Failure(other.to_string()),
            });
            Ok(to_wire(bundle.explain("unable to parse to spiffe bundle: spiffebundle")?))
        }
    }
}

fn pem_text(bundle: &WireBundle) -> Result<String, Failure> {
    let mut text = String::new();
    for authority in &bundle.x509_authorities {
        let certificates = Certificate::many_from_der(&authority.asn1).map_err(|error| Failure(error.to_string()));
        for certificate in certificates.explain("unable to parse certificates ASN.1 DER data")? {
            text.push_str(&pem::encode("CERTIFICATE", certificate.der()));
        }
    }
    Ok(text)
}

fn pem_certificates(content: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let blocks = pem::parse(&String::from_utf8_lossy(content)).map_err(|error| Failure(error.to_string()))?;
    if blocks.is_empty() {
        return Err("no PEM blocks".into());
    }
    let mut certificates = Vec::new();
    for (position, block) in blocks.iter().enumerate() {
        if block.label != "CERTIFICATE" {
            return Err(format!("expected block type \"CERTIFICATE\"; got {}", quote(&block.label)).into());
        }
        Certificate::from_der(&block.der)
            .map_err(|error| Failure(format!("unable to parse \"CERTIFICATE\" PEM block {}: {error}", position + 1)))?;
        certificates.push(block.der.to_vec());
    }
    Ok(certificates)
}

fn from_wire(wire: &WireBundle) -> Result<Bundle, Failure> {
    let mut bundle = Bundle::empty(TrustDomain::parse(&wire.trust_domain)?);
    bundle.refresh_hint = wire.refresh_hint.max(0);
    bundle.sequence_number = wire.sequence_number;
    for authority in &wire.x509_authorities {
        bundle.x509_authorities.push(X509Authority { certificate: authority.asn1.clone(), tainted: authority.tainted });
    }
    for authority in &wire.jwt_authorities {
        bundle.jwt_authorities.push(JwtAuthority {
            key_id: authority.key_id.clone(),
            public_key: authority.public_key.clone(),
            expires_at: Timestamp::from_second(authority.expires_at).ok().filter(|_| authority.expires_at != 0),
            tainted: authority.tainted,
        });
    }
    Ok(bundle)
}

fn to_wire(bundle: Bundle) -> WireBundle {
    let x509 = bundle.x509_authorities.into_iter();
    let jwt = bundle.jwt_authorities.into_iter();
    WireBundle {
        trust_domain: bundle.trust_domain.name().to_owned(),
        x509_authorities: x509
            .map(|authority| X509Certificate { asn1: authority.certificate, tainted: false })
            .collect(),
        jwt_authorities: jwt
            .map(|authority| JwtKey { public_key: authority.public_key, key_id: authority.key_id, ..JwtKey::default() })
            .collect(),
        refresh_hint: bundle.refresh_hint.max(0),
        sequence_number: bundle.sequence_number,
        wit_authorities: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../../../../tests/golden/bundle.json");

    #[test]
    fn a_document_of_spire_survives() {
        let bundle = parse(DOCUMENT.as_bytes(), BundleFormat::Spiffe, "spiffe://rig.example").unwrap();
        assert_eq!((bundle.trust_domain.as_str(), bundle.sequence_number), ("rig.example", 1));
        assert_eq!(text(&bundle, BundleFormat::Spiffe).unwrap(), DOCUMENT);
        let pem = text(&bundle, BundleFormat::Pem).unwrap();
        let again = parse(pem.as_bytes(), BundleFormat::Pem, "rig.example").unwrap();
        assert_eq!(again.x509_authorities, bundle.x509_authorities);
    }

    #[test]
    fn a_bundle_without_keys_is_written_as_spire_writes_it() {
        let bundle = WireBundle { trust_domain: "empty.example".to_owned(), ..WireBundle::default() };
        assert_eq!(text(&bundle, BundleFormat::Spiffe).unwrap(), "{\n    \"keys\": null\n}\n");
        for document in ["{\"keys\": null}", "{}"] {
            let failure = parse(document.as_bytes(), BundleFormat::Spiffe, "td").err().unwrap();
            assert_eq!(failure.0, "unable to parse to spiffe bundle: spiffebundle: no authorities found");
        }
    }

    #[test]
    fn key_without_a_known_use_is_ignored() {
        let document = DOCUMENT.replacen("\"use\": \"jwt-svid\"", "\"use\": \"sig\"", 1);
        let bundle = parse(document.as_bytes(), BundleFormat::Spiffe, "rig.example").unwrap();
        assert_eq!((bundle.x509_authorities.len(), bundle.jwt_authorities.len()), (1, 0));
    }

    #[test]
    fn faults_are_named() {
        let parse = |text: &str| parse(text.as_bytes(), BundleFormat::Pem, "td").err().map(|failure| failure.0);
        assert_eq!(parse("").unwrap(), "unable to parse bundle data: no PEM blocks");
        assert_eq!(
            parse(&pem::encode("PRIVATE KEY", b"x")).unwrap(),
            "unable to parse bundle data: expected block type \"CERTIFICATE\"; got \"PRIVATE KEY\""
        );
        let document = super::parse(b"garbage", BundleFormat::Spiffe, "td").err().unwrap();
        assert_eq!(
            document.0,
            "unable to parse to spiffe bundle: spiffebundle: unable to parse JWKS: \
             invalid character 'g' looking for beginning of value"
        );
        assert_eq!(BundleFormat::parse("nope"), Err("invalid format: \"nope\"".into()));
    }
}
