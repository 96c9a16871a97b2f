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
    let entry_id = EntryId::parse(name).unwrap();
    Entry::new(entry_id, id(&format!("/{name}")), id("/parent"), selectors(selector_texts), Timestamp::UNIX_EPOCH)
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
