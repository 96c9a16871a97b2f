//! The CA journal: what is read can be stored, and reads the same again.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use steeple_ca::{Journal, StoredJournal, is_stale};

fuzz_target!(|bytes: &[u8]| {
    let stored = |data: Vec<u8>| StoredJournal {
        row: 1,
        data,
        active_x509_authority_id: String::new(),
        active_jwt_authority_id: String::new(),
    };
    let _ = is_stale(bytes, Timestamp::MAX);
    let _ = is_stale(bytes, Timestamp::UNIX_EPOCH);
    let Ok(journal) = Journal::read(&stored(bytes.to_vec())) else { return };
    let Some(again) = journal.to_stored() else { return };
    let read = Journal::read(&again).unwrap();
    assert_eq!(read, journal);
    assert_eq!(read.to_stored(), Some(again));
});
