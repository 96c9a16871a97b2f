//! What lines of the audit log tell of a request, under SPIRE's names: keys and certificates only by their digests.

use serde_json::Value;
use steeple_crypto::digest::sha256;
use steeple_proto::spire::api::types;
use steeple_proto::spire::api::types::federation_relationship::BundleEndpointProfile;
use steeple_store::units::{BundleMask, EntryMask};

use super::Fields;
use crate::api::convert::id_from_pb;

/// Fields of names and values.
pub(crate) fn fields<const N: usize>(pairs: [(&str, Value); N]) -> Fields {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The SHA-256 of bytes in hexadecimal digits; nothing of nothing.
pub(crate) fn digest(bytes: &[u8]) -> String {
    if bytes.is_empty() { String::new() } else { hex::encode(sha256(bytes)) }
}

/// Selectors in one text.
pub(crate) fn selectors(selectors: &[types::Selector]) -> String {
    let text = |selector: &types::Selector| format!("{}:{}", selector.r#type, selector.value);
    selectors.iter().map(text).collect::<Vec<_>>().join(",")
}

/// The fields of an entry that a write takes; empty texts and lists are left out.
pub(crate) fn entry(entry: &types::Entry, mask: &EntryMask) -> Fields {
    let id = |id: &Option<types::Spiffeid>| id_from_pb(id.as_ref()).map(|id| id.to_string()).unwrap_or_default();
    let texts = [
        (true, "entry_id", entry.id.clone()),
        (mask.spiffe_id, "spiffe_id", id(&entry.spiffe_id)),
        (mask.parent_id, "parent_id", id(&entry.parent_id)),
        (mask.selectors, "selectors", selectors(&entry.selectors)),
        (mask.federates_with, "federates_with", entry.federates_with.join(",")),
        (mask.dns_names, "dns_name", entry.dns_names.join(",")),
    ];
    let others: [(bool, &str, Value); 9] = [
        (mask.x509_svid_ttl, "x509_svid_ttl", entry.x509_svid_ttl.into()),
        (mask.jwt_svid_ttl, "jwt_svid_ttl", entry.jwt_svid_ttl.into()),
        (mask.admin, "admin", entry.admin.into()),
        (mask.downstream, "downstream", entry.downstream.into()),
        (mask.expires_at, "expires_at", entry.expires_at.into()),
        (*mask == EntryMask::ALL, "revision_number", entry.revision_number.into()),
        (mask.store_svid, "store_svid", entry.store_svid.into()),
        (mask.hint, "hint", entry.hint.clone().into()),
        (*mask == EntryMask::ALL, "created_at", entry.created_at.into()),
    ];
    let texts = texts.into_iter().filter(|(told, _, text)| *told && !text.is_empty());
    let texts = texts.map(|(_, name, text)| (name.to_owned(), text.into()));
    let others = others.into_iter().filter(|(told, ..)| *told).map(|(_, name, value)| (name.to_owned(), value));
    texts.chain(others).collect()
}

/// The fields of a bundle that a write takes.
pub(crate) fn bundle(bundle: &types::Bundle, mask: BundleMask) -> Fields {
    let mut out = fields([("trust_domain_id", bundle.trust_domain.clone().into())]);
    if mask.refresh_hint {
        out.insert("refresh_hint".to_owned(), bundle.refresh_hint.into());
    }
    if mask.sequence_number {
        out.insert("sequence_number".to_owned(), bundle.sequence_number.into());
    }
    let x509: &[_] = if mask.x509_authorities { &bundle.x509_authorities } else { &[] };
    let jwt: &[_] = if mask.jwt_authorities { &bundle.jwt_authorities } else { &[] };
    out.extend(authorities(x509, jwt));
    out
}

/// Authorities, numbered.
pub(crate) fn authorities(x509: &[types::X509Certificate], jwt: &[types::JwtKey]) -> Fields {
    let mut out = Fields::new();
    for (at, authority) in x509.iter().enumerate() {
        out.insert(format!("x509_authorities_asn1_sha256.{at}"), digest(&authority.asn1).into());
    }
    for (at, authority) in jwt.iter().enumerate() {
        out.insert(format!("jwt_authority_expires_at.{at}"), authority.expires_at.into());
        out.insert(format!("jwt_authority_key_id.{at}"), authority.key_id.clone().into());
        out.insert(format!("jwt_authority_public_key_sha256.{at}"), digest(&authority.public_key).into());
    }
    out
}

/// The fields of a relationship that a write takes.
pub(crate) fn relationship(
    relationship: &types::FederationRelationship,
    mask: types::FederationRelationshipMask,
) -> Fields {
    let mut out = Fields::new();
    if !relationship.trust_domain.is_empty() {
        out.insert("trust_domain_id".to_owned(), relationship.trust_domain.clone().into());
    }
    if mask.bundle_endpoint_url {
        out.insert("bundle_endpoint_url".to_owned(), relationship.bundle_endpoint_url.clone().into());
    }
    match relationship.bundle_endpoint_profile.as_ref().filter(|_| mask.bundle_endpoint_profile) {
        Some(BundleEndpointProfile::HttpsWeb(_)) => {
            out.insert("bundle_endpoint_profile".to_owned(), "https_web".into());
        }
        Some(BundleEndpointProfile::HttpsSpiffe(profile)) => {
            out.insert("bundle_endpoint_profile".to_owned(), "https_spiffe".into());
            out.insert("endpoint_spiffe_id".to_owned(), profile.endpoint_spiffe_id.clone().into());
        }
        None => {}
    }
    if let Some(own) = relationship.trust_domain_bundle.as_ref().filter(|_| mask.trust_domain_bundle) {
        let prefixed = bundle(own, BundleMask::ALL).into_iter();
        out.extend(prefixed.map(|(name, value)| (format!("bundle_{name}"), value)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_is_told_as_spire_tells_it() {
        let told = entry(
            &types::Entry {
                id: "one".to_owned(),
                spiffe_id: Some(types::Spiffeid { trust_domain: "rig.example".to_owned(), path: "/w".to_owned() }),
                selectors: vec![types::Selector { r#type: "unix".to_owned(), value: "uid:0".to_owned() }],
                x509_svid_ttl: 20,
                dns_names: vec!["w.rig.example".to_owned()],
                ..types::Entry::default()
            },
            &EntryMask::ALL,
        );
        let names: Vec<&str> = told.keys().map(String::as_str).collect();
        assert_eq!(
            (told["selectors"].as_str(), told["x509_svid_ttl"].as_i64(), told["hint"].as_str()),
            (Some("unix:uid:0"), Some(20), Some(""))
        );
        for name in ["admin", "created_at", "dns_name", "downstream", "entry_id", "expires_at", "revision_number"] {
            assert!(names.contains(&name), "{name}");
        }
        assert!(!names.contains(&"federates_with") && !names.contains(&"parent_id"), "{names:?}");
    }
}
