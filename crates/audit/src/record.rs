//! Records: events in the canonical form of OCSF, each linked to the one before.

use serde_json::{Map, Value, json};
use steeple_crypto::digest::sha256;

use crate::canonical::{NotCanonical, canonical, write_hex, write_number, write_text};
use crate::form::NO_FORM;
use crate::merkle::Hash;
use crate::{AuditError, ocsf};

/// Version of OCSF whose classes, objects and profile `record_integrity` the records use.
pub const OCSF_VERSION: &str = "1.9.0";

/// Longest line of a trail, its line feed included, in bytes.
pub const MAX_LINE: usize = 1 << 20;

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
    /// Puts an event, of which there are the parts that [`Forms`] have, at the end of the chain; adds its line, without the line
    /// feed, to `lines`.
    ///
    /// # Errors
    /// [`AuditError`] when its line is too long; nothing of it is left then.
    ///
    /// [`Forms`]: crate::form::Forms
    pub(crate) fn seal<'a>(&mut self, parts: [&[u8]; 3], lines: &'a mut Vec<u8>) -> Result<&'a [u8], AuditError> {
        let begin = lines.len();
        let added =
            self.add(parts, lines).map_err(|error| AuditError(format!("{NO_FORM}: {error}"))).and_then(|head| {
                let length = lines.len() - begin;
                let too_long = || format!("{NO_FORM}: its record would have {length} bytes, more than {MAX_LINE}");
                (length < MAX_LINE).then_some(head).ok_or_else(|| AuditError(too_long()))
            });
        match added {
            Ok(head) => {
                (self.head, self.next) = (Some(head), self.next + 1);
                Ok(lines.get(begin..).unwrap_or_default())
            }
            Err(error) => {
                lines.truncate(begin);
                Err(error)
            }
        }
    }

    /// Adds a record; yields its fingerprint.
    fn add(&self, [first, middle, last]: [&[u8]; 3], lines: &mut Vec<u8>) -> Result<Hash, NotCanonical> {
        let begin = lines.len();
        lines.extend_from_slice(first);
        lines.extend_from_slice(b"\"attestation_list\":[{\"authority_uid\":");
        write_text(&self.authority, lines);
        lines.extend_from_slice(b",\"chain_uid\":");
        write_text(&self.uid, lines);
        let place = lines.len();
        if let Some(head) = &self.head {
            lines.extend_from_slice(b",\"prev_event\":{");
            write_fingerprint(head, lines);
            lines.extend_from_slice(b",\"uid\":");
            write_text(&ocsf::record_uid(&self.uid, self.next.saturating_sub(1)), lines);
            lines.push(b'}');
        }
        lines.extend_from_slice(b"}],");
        lines.extend_from_slice(middle);
        lines.extend_from_slice(b"\"sequence\":");
        write_number(self.next, lines)?;
        lines.extend_from_slice(b",\"uid\":");
        write_text(&ocsf::record_uid(&self.uid, self.next), lines);
        lines.extend_from_slice(last);
        // The fingerprint is that of the record without it, and is put into its place afterwards.
        let head = sha256(lines.get(begin..).unwrap_or_default());
        let length = lines.len();
        lines.push(b',');
        write_fingerprint(&head, lines);
        let member = lines.len() - length;
        lines.get_mut(place..).unwrap_or_default().rotate_right(member);
        Ok(head)
    }
}

#[cfg(test)]
impl Chain {
    /// Puts an event at the end of the chain; yields its line.
    pub(crate) fn seal_event(&mut self, event: &crate::Event) -> Result<Vec<u8>, AuditError> {
        let (forms, mut line) = (crate::form::Forms::of([event])?, Vec::new());
        for parts in forms.iter() {
            self.seal(parts, &mut line)?;
        }
        Ok(line)
    }
}

/// Adds the member `fingerprint`.
fn write_fingerprint(hash: &Hash, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"fingerprint\":{\"algorithm_id\":3,\"encoding_id\":1,\"serialization_id\":2,\"value\":\"");
    write_hex(hash, out);
    out.extend_from_slice(b"\"}");
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
    use crate::{Actor, Event, EventKind};

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
        let lines: Vec<_> =
            ["debug", "\"attestation_list\":[{", "}],"].map(|l| chain.seal_event(&event(l)).unwrap()).into();
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
        chain.seal_event(&event("info")).unwrap();
        let line = chain.seal_event(&event("debug")).unwrap();
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
        let error = chain.seal_event(&event(&"x".repeat(MAX_LINE))).unwrap_err().to_string();
        assert!(error.contains("more than 1048576"), "{error}");
        assert_eq!((chain.next, chain.head), (0, None), "nothing of it is left in the chain");
    }
}
