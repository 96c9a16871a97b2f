//! Records: events in the canonical form of OCSF, each linked to the one before.

use serde_json::{Map, Value, json};
use steeple_crypto::digest::sha256;

use crate::canonical::canonical;
use crate::merkle::Hash;
use crate::{AuditError, Event, ocsf};

/// Version of OCSF whose classes, objects and profile `record_integrity` the records use.
pub const OCSF_VERSION: &str = "1.9.0";

/// Longest line of a trail, its line feed included, in bytes.
pub const MAX_LINE: usize = 1 << 20;

/// Before the fingerprint's place in the canonical form: a member of this name is at the top alone.
const LIST: &[u8] = b"\"attestation_list\":[{";
/// After it.
const AFTER: [&[u8]; 2] = [b",\"prev_event\":", b"}],"];

/// The end of a chain, to which the next record is linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Identifier of the chain: 32 hexadecimal digits.
    pub uid: String,
    /// SPIFFE ID of the server that writes it.
    pub authority: String,
    /// Sequence number of the next record.
    pub next: u64,
    /// Fingerprint of the last record; none before the first.
    pub head: Option<Hash>,
}

impl Chain {
    /// Puts `event` at the end of the chain; yields its line, without the line feed.
    ///
    /// # Errors
    /// [`AuditError`] when the event has no canonical form, which none of the catalogue lacks.
    pub(crate) fn seal(&mut self, event: &Event) -> Result<Vec<u8>, AuditError> {
        let failed = |reason: &dyn std::fmt::Display| AuditError(format!("the event can't be put into form: {reason}"));
        let mut record = ocsf::event(event);
        record.insert("metadata".to_owned(), ocsf::metadata(event, &self.uid, self.next));
        let mut attestation = json!({ "authority_uid": self.authority, "chain_uid": self.uid });
        if let (Some(head), Some(attestation)) = (&self.head, attestation.as_object_mut()) {
            let uid = ocsf::record_uid(&self.uid, self.next.saturating_sub(1));
            attestation.insert("prev_event".to_owned(), json!({ "fingerprint": fingerprint(head), "uid": uid }));
        }
        record.insert("attestation_list".to_owned(), json!([attestation]));
        let bare = canonical(&Value::Object(record)).map_err(|error| failed(&error))?;
        let head = sha256(&bare);
        let line = with_fingerprint(&bare, &head).ok_or_else(|| failed(&"it has no place for its fingerprint"))?;
        if line.len() >= MAX_LINE {
            return Err(failed(&format_args!("its record would have {} bytes, more than {MAX_LINE}", line.len())));
        }
        self.head = Some(head);
        self.next += 1;
        Ok(line)
    }
}

/// The canonical form with the fingerprint in its place.
fn with_fingerprint(bare: &[u8], head: &Hash) -> Option<Vec<u8>> {
    let list = find(bare, LIST)?;
    let within = bare.get(list..)?;
    let at = list + AFTER.iter().filter_map(|mark| find(within, mark)).min()?;
    let (before, after) = bare.split_at_checked(at)?;
    let member = canonical(&fingerprint(head)).ok()?;
    Some([before, b",\"fingerprint\":", &member, after].concat())
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// A fingerprint as an object of OCSF: SHA-256, in hexadecimal digits, of a form according to RFC 8785.
fn fingerprint(hash: &Hash) -> Value {
    json!({ "algorithm_id": 3, "encoding_id": 1, "serialization_id": 2, "value": hex::encode(hash) })
}

/// What a line says of its place in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The whole event.
    pub event: Map<String, Value>,
    /// Identifier of its chain: 32 hexadecimal digits.
    pub chain: String,
    /// Its number in the chain.
    pub sequence: u64,
    /// Its fingerprint, which fits its content.
    pub fingerprint: Hash,
    /// The fingerprint of the record before, as it tells it.
    pub previous: Option<Hash>,
}

/// Why a line is not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is not JSON, or not in canonical form.
    #[error("the line is not JSON in canonical form")]
    Form,
    /// A member is absent or of another kind.
    #[error("the record's {0} is not in order")]
    Member(&'static str),
    /// The fingerprint is another content's.
    #[error("the record was changed: its fingerprint is another content's")]
    Changed,
}

impl Record {
    /// Reads a line, without its line feed.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn parse(line: &[u8]) -> Result<Self, RecordError> {
        use RecordError::Member;
        let value: Value = serde_json::from_slice(line).map_err(|_| RecordError::Form)?;
        if canonical(&value).ok().as_deref() != Some(line) {
            return Err(RecordError::Form);
        }
        let Value::Object(event) = value else { return Err(RecordError::Form) };
        let sequence = event.get("metadata").and_then(|metadata| metadata.get("sequence")?.as_u64());
        let sequence = sequence.ok_or(Member("metadata.sequence"))?;
        let list = event.get("attestation_list").and_then(Value::as_array);
        let Some([Value::Object(attestation)]) = list.map(Vec::as_slice) else {
            return Err(Member("attestation_list"));
        };
        let chain = attestation.get("chain_uid").and_then(Value::as_str).filter(|uid| is_uid(uid));
        let chain = chain.ok_or(Member("chain_uid"))?.to_owned();
        let uid = event.get("metadata").and_then(|metadata| metadata.get("uid")?.as_str());
        if uid != Some(&ocsf::record_uid(&chain, sequence)) {
            return Err(Member("metadata.uid"));
        }
        let told = attestation.get("fingerprint").and_then(read).ok_or(Member("fingerprint"))?;
        let previous = match attestation.get("prev_event") {
            None => None,
            Some(event) => {
                let before = sequence.checked_sub(1).map(|before| ocsf::record_uid(&chain, before));
                let is_named = before.is_some() && event.get("uid").and_then(Value::as_str) == before.as_deref();
                let previous = event.get("fingerprint").and_then(read).filter(|_| is_named);
                Some(previous.ok_or(Member("prev_event"))?)
            }
        };
        let mut bare = attestation.clone();
        bare.shift_remove("fingerprint");
        let mut without = event.clone();
        without.insert("attestation_list".to_owned(), json!([bare]));
        let bare = canonical(&Value::Object(without)).map_err(|_| RecordError::Form)?;
        if sha256(&bare) != told {
            return Err(RecordError::Changed);
        }
        Ok(Self { chain, sequence, fingerprint: told, previous, event })
    }
}

/// Whether a text is the identifier of a chain.
pub(crate) fn is_uid(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A fingerprint that is an object of OCSF of the kind that records have.
fn read(value: &Value) -> Option<Hash> {
    let text = value.get("value")?.as_str()?;
    let hash: Hash = hex::decode(text).ok()?.try_into().ok()?;
    (*value == fingerprint(&hash)).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Actor, EventKind};

    fn chain() -> Chain {
        let (uid, authority) = ("0f".repeat(16), "spiffe://example.org/spire/server".to_owned());
        Chain { uid, authority, next: 0, head: None }
    }

    fn event(level: &str) -> Event {
        let kind = EventKind::LogLevelSet { level: level.to_owned() };
        Event {
            at: "2026-01-02T03:04:05.678901234Z".parse().unwrap(),
            actor: Actor::Local { uid: 7, pid: 8 },
            kind,
            correlation: 7,
            failure: None,
        }
    }

    #[test]
    fn records_are_linked_one_to_the_other() {
        let mut chain = chain();
        let lines: Vec<_> = ["debug", "\"attestation_list\":[{", "}],"].map(|l| chain.seal(&event(l)).unwrap()).into();
        let records: Vec<_> = lines.iter().map(|line| Record::parse(line).unwrap()).collect();
        assert_eq!(records[0].previous, None);
        for pair in records.windows(2) {
            assert_eq!(pair[1].previous, Some(pair[0].fingerprint));
        }
        assert_eq!(records.iter().map(|record| record.sequence).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(chain.head, Some(records[2].fingerprint));
    }

    #[test]
    fn whatever_is_changed_in_a_line_is_seen() {
        let mut chain = chain();
        chain.seal(&event("info")).unwrap();
        let line = chain.seal(&event("debug")).unwrap();
        assert!(Record::parse(&line).is_ok());
        for at in 0..line.len() {
            let mut changed = line.clone();
            changed[at] ^= 1;
            assert!(Record::parse(&changed).is_err(), "{}", String::from_utf8_lossy(&changed));
        }
        let blank = [&line[..1], b" ", &line[1..]].concat();
        assert_eq!(Record::parse(&blank), Err(RecordError::Form));
        let twice = String::from_utf8(line).unwrap().replacen('{', r#"{"activity_id":1,"#, 1);
        assert_eq!(Record::parse(twice.as_bytes()), Err(RecordError::Form));
    }

    #[test]
    fn event_that_needs_too_long_a_line_is_refused() {
        let mut chain = chain();
        let error = chain.seal(&event(&"x".repeat(MAX_LINE))).unwrap_err().to_string();
        assert!(error.contains("more than 1048576"), "{error}");
        assert_eq!((chain.next, chain.head), (0, None), "nothing of it is left in the chain");
    }
}
