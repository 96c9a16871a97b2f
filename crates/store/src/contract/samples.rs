//! Records to test with.

use jiff::Timestamp;
use steeple_types::{AttestedNode, Bundle, Entry, EntryId, SelectorSet, SpiffeId, TrustDomain};

pub(super) fn id(path: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://example.org{path}")).unwrap()
}

pub(super) fn domain(name: &str) -> TrustDomain {
    TrustDomain::from_name(name).unwrap()
}

pub(super) fn selectors(texts: &[&str]) -> SelectorSet {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

pub(super) fn entry(name: &str, selector_texts: &[&str]) -> Entry {
    Entry {
        id: EntryId::parse(name).unwrap(),
        spiffe_id: id(&format!("/{name}")),
        parent_id: id("/parent"),
        selectors: selectors(selector_texts),
        x509_svid_ttl: 0,
        jwt_svid_ttl: 0,
        federates_with: Vec::new(),
        admin: false,
        downstream: false,
        expires_at: None,
        dns_names: Vec::new(),
        revision_number: 0,
        store_svid: false,
        hint: String::new(),
        created_at: Timestamp::UNIX_EPOCH,
        disable_x509_svid_prefetch: false,
        jwt_svid_include_jti: false,
    }
}

pub(super) fn node(name: &str) -> AttestedNode {
    AttestedNode {
        id: id(&format!("/spire/agent/{name}")),
        attestation_type: "x509pop".to_owned(),
        serial_number: "1".to_owned(),
        expires_at: Some(at(1_700_003_600)),
        new_serial_number: String::new(),
        new_expires_at: None,
        can_reattest: true,
        agent_version: String::new(),
        selectors: selectors(&["x509pop:a", "x509pop:b"]),
    }
}

pub(super) fn bundle(name: &str) -> Bundle {
    Bundle { refresh_hint: 60, sequence_number: 7, ..Bundle::empty(domain(name)) }
}
