//! What is in an audit trail's folder and in a proof: what is read as a record is its own canonical form and nothing else, and
//! what a key has not signed proves nothing.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use steeple_audit::checkpoint::Checkpoint;
use steeple_audit::note::{Verifier, sign};
use steeple_audit::record::{Record, RecordError};
use steeple_audit::verify::Proof;
use steeple_crypto::digest::sha256;
use steeple_crypto::keys::Ed25519Key;
use steeple_crypto::pem;

const NAME: &str = "steeple-audit/example.org/8ba0b714af16b47e29b8767be66d7ee4";
/// All that the key has signed a tree of.
const TRAIL: &str = include_str!("../fixtures/audit.jsonl");

static KEY: LazyLock<Ed25519Key> = LazyLock::new(|| {
    let blocks = pem::parse(include_str!("../fixtures/audit-key.pem")).unwrap();
    Ed25519Key::from_pkcs8(&blocks[0].der).unwrap()
});

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Verifier::new(NAME, KEY.public_key()));

fuzz_target!(|bytes: &[u8]| {
    record(bytes);
    sealed(bytes);
    proof(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        note(text);
        key(text);
    }
});

fn record(line: &[u8]) {
    let Ok(record) = Record::parse(line) else { return };
    assert_eq!(canonical(&Value::Object(record.event.clone())).as_deref(), Some(line));
    assert_eq!(Record::parse(line).as_ref(), Ok(&record));
    // Whatever is changed in it is seen.
    for at in [0, line.len() / 3, line.len() / 2, line.len() - 1] {
        let mut changed = line.to_vec();
        changed[at] ^= 1;
        assert!(Record::parse(&changed).is_err(), "{}", String::from_utf8_lossy(&changed));
    }
}

/// A record with any content and the fingerprint that fits it is one, unless a member of it is not in order.
fn sealed(bytes: &[u8]) {
    let Ok(mut event) = serde_json::from_slice::<Value>(bytes) else { return };
    let Some(attestation) = event.pointer_mut("/attestation_list/0").and_then(Value::as_object_mut) else { return };
    attestation.shift_remove("fingerprint");
    let Some(bare) = canonical(&event) else { return };
    let digest: String = sha256(&bare).iter().map(|byte| format!("{byte:02x}")).collect();
    event["attestation_list"][0]["fingerprint"] =
        json!({ "algorithm_id": 3, "encoding_id": 1, "serialization_id": 2, "value": digest });
    let line = canonical(&event).unwrap();
    match Record::parse(&line) {
        Ok(_) => record(&line),
        Err(error) => assert!(matches!(error, RecordError::Member(_)), "{error}: {}", String::from_utf8_lossy(&line)),
    }
}

fn note(text: &str) {
    if let Ok(checkpoint) = Checkpoint::open(text, &VERIFIER) {
        // The only one that there is of this key.
        assert_eq!(checkpoint.tree.size(), TRAIL.lines().count() as u64);
    }
    // What the key's holder writes is no checkpoint either, unless it adds up.
    let Ok(checkpoint) = Checkpoint::open(&sign(NAME, &KEY, text), &VERIFIER) else { return };
    assert_eq!(Checkpoint::open(&checkpoint.sign(NAME, &KEY), &VERIFIER), Ok(checkpoint));
}

fn key(text: &str) {
    let Ok(verifier) = Verifier::parse(text) else { return };
    assert_eq!(verifier.to_string(), text.trim());
    assert!(!verifier.name().is_empty() && !verifier.name().contains(char::is_whitespace));
}

fn proof(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let Ok(proof) = Proof::from_json(&value) else { return };
    assert_eq!(Proof::from_json(&proof.to_json()).as_ref(), Ok(&proof));
    let Ok(record) = proof.verify(&VERIFIER) else { return };
    assert_eq!(TRAIL.lines().nth(usize::try_from(proof.index).unwrap()), Some(proof.record.as_str()));
    assert_eq!(record.sequence, proof.index);
    let elsewhere = Proof { index: proof.index ^ 1, ..proof.clone() };
    assert!(elsewhere.verify(&VERIFIER).is_err());
    let longer = Proof { path: [&proof.path[..], &proof.path[..1]].concat(), ..proof };
    assert!(longer.verify(&VERIFIER).is_err());
}

/// The canonical form (RFC 8785) of a value without fractions, written once more.
fn canonical(value: &Value) -> Option<Vec<u8>> {
    let text = match value {
        Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(canonical).collect();
            [&b"["[..], &items?.join(&b','), b"]"].concat()
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
            let member = |(name, value): (&String, &Value)| {
                Some([json!(name).to_string().as_bytes(), b":", &canonical(value)?].concat())
            };
            let members: Option<Vec<_>> = members.into_iter().map(member).collect();
            [&b"{"[..], &members?.join(&b','), b"}"].concat()
        }
        Value::Number(number) if number.is_f64() => return None,
        Value::Number(number) if number.as_i64().is_none_or(|number| number.unsigned_abs() > 1 << 53) => return None,
        _ => value.to_string().into_bytes(),
    };
    Some(text)
}
