//! A hash over all records of an index, whatever the order in which they came.

use std::fmt;

use jiff::Timestamp;
use steeple_crypto::digest::sha256;
use steeple_types::{AttestedNode, Entry, SelectorSet};

/// The SHA-256 of each record, all of them by exclusive or, so that a record is taken out as it was put in. Records have IDs,
/// so no two are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StateHash([u8; 32]);

impl StateHash {
    /// Puts an entry in, or takes it out.
    pub(super) fn toggle_entry(&mut self, entry: &Entry) {
        self.toggle(&of_entry(entry));
    }

    /// Puts a node in, or takes it out.
    pub(super) fn toggle_node(&mut self, node: &AttestedNode) {
        self.toggle(&of_node(node));
    }

    fn toggle(&mut self, record: &Canonical) {
        for (byte, other) in self.0.iter_mut().zip(sha256(&record.0)) {
            *byte ^= other;
        }
    }
}

impl fmt::Display for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The bytes of a record: each text and list with its length before it, so that no two records have the same.
struct Canonical(Vec<u8>);

impl Canonical {
    fn number(&mut self, number: i64) -> &mut Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    fn length(&mut self, length: usize) -> &mut Self {
        self.0.extend((length as u64).to_be_bytes());
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.length(text.len()).0.extend(text.as_bytes());
        self
    }

    fn flags(&mut self, flags: &[bool]) -> &mut Self {
        self.0.extend(flags.iter().map(|flag| u8::from(*flag)));
        self
    }

    fn time(&mut self, time: Option<Timestamp>) -> &mut Self {
        self.number(time.map_or(i64::MIN, Timestamp::as_microsecond))
    }

    fn texts<'a>(&mut self, texts: impl ExactSizeIterator<Item = &'a str>) -> &mut Self {
        self.length(texts.len());
        texts.fold(self, |this, text| this.text(text))
    }

    fn selectors(&mut self, selectors: &SelectorSet) -> &mut Self {
        self.length(selectors.len());
        selectors.iter().fold(self, |this, selector| this.text(selector.kind()).text(selector.value()))
    }
}

fn of_entry(entry: &Entry) -> Canonical {
    let mut bytes = Canonical(b"entry".to_vec());
    bytes
        .text(entry.id.as_str())
        .text(entry.spiffe_id.as_str())
        .text(entry.parent_id.as_str())
        .selectors(&entry.selectors)
        .number(entry.x509_svid_ttl.into())
        .number(entry.jwt_svid_ttl.into())
        .texts(entry.federates_with.iter().map(steeple_types::TrustDomain::name))
        .flags(&[entry.admin, entry.downstream, entry.store_svid])
        .flags(&[entry.disable_x509_svid_prefetch, entry.jwt_svid_include_jti])
        .time(entry.expires_at)
        .texts(entry.dns_names.iter().map(String::as_str))
        .number(entry.revision_number)
        .text(&entry.hint)
        .time(Some(entry.created_at));
    bytes
}

fn of_node(node: &AttestedNode) -> Canonical {
    let mut bytes = Canonical(b"node".to_vec());
    bytes
        .text(node.id.as_str())
        .text(&node.attestation_type)
        .text(&node.serial_number)
        .time(node.expires_at)
        .text(&node.new_serial_number)
        .time(node.new_expires_at)
        .flags(&[node.can_reattest])
        .text(&node.agent_version)
        .selectors(&node.selectors);
    bytes
}
