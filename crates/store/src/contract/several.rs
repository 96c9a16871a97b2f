//! Several transactions at a time.

use std::sync::{Arc, mpsc};
use std::thread::ScopedJoinHandle;

use steeple_types::{JwtAuthority, Revision};

use super::Subject;
use super::samples::{at, domain, entry};
use crate::units::{AppendBundle, CreateEntry, StoreCaJournal};
use crate::{Backend, CaJournal, Change, EntryFilter, ErrorClass, ReadTx, StoreError, Unit};

/// Writers at a time, and writes of each.
const WRITERS: usize = 3;
const WRITES: usize = 12;

fn write(backend: &dyn Backend, unit: &impl Unit) {
    backend.write(&mut |tx| unit.run(tx).map(drop)).unwrap();
}

fn count(tx: &mut dyn ReadTx) -> Result<u64, StoreError> {
    tx.count_entries(&EntryFilter::default())
}

/// What a transaction has read once it reads again, whatever others have committed meanwhile.
pub fn read_sees_one_state_while_others_write(subject: &Subject) {
    let backend = &subject.backend;
    let counted = subject.read(|tx| {
        let before = count(tx)?;
        let other = Arc::clone(backend);
        let created = CreateEntry { entry: entry("a", &["a:1"]) };
        std::thread::spawn(move || write(other.as_ref(), &created)).join().unwrap();
        Ok((before, count(tx)?))
    });
    assert_eq!(counted, (0, 0));
    assert_eq!(subject.read(count), 1);
}

/// A write sees what was committed before it: of additions to one record none gets lost.
pub fn writes_at_the_same_time_lose_nothing(subject: &Subject) {
    let backend = &subject.backend;
    let key =
        |name: String| JwtAuthority { key_id: name, public_key: vec![1], expires_at: Some(at(100)), tainted: false };
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                for number in 0..WRITES {
                    let added = vec![key(format!("{writer}-{number}"))];
                    let trust_domain = domain("example.org");
                    let append = AppendBundle { trust_domain, x509_authorities: Vec::new(), jwt_authorities: added };
                    write(backend.as_ref(), &append);
                }
            });
        }
    });
    let bundle = subject.read(|tx| tx.bundle(&domain("example.org"))).unwrap();
    assert_eq!(bundle.jwt_authorities.len(), WRITERS * WRITES);
    assert_eq!(usize::try_from(bundle.sequence_number).unwrap(), WRITERS * WRITES - 1);
}

/// Who follows the log from where it was misses nothing: no change turns up behind its position.
pub fn followers_see_each_revision_after_all_before_it(subject: &Subject) {
    let backend = &subject.backend;
    std::thread::scope(|scope| {
        let writers: Vec<ScopedJoinHandle<'_, ()>> = (0..WRITERS)
            .map(|writer| {
                scope.spawn(move || {
                    for number in 0..WRITES {
                        write(backend.as_ref(), &CreateEntry { entry: entry(&format!("{writer}-{number}"), &["a:1"]) });
                    }
                })
            })
            .collect();
        let mut position = Revision(0);
        let mut are_done = false;
        while !are_done {
            are_done = writers.iter().all(ScopedJoinHandle::is_finished);
            for Change { revision, .. } in subject.read(|tx| tx.changes_after(position, 100)) {
                assert_eq!(revision.0, position.0 + 1);
                position = revision;
            }
        }
        assert_eq!(position.0, (WRITERS * WRITES) as u64);
    });
}

/// A read that may be behind has all that its caller knows of.
pub fn stale_read_has_what_it_asks_for(subject: &Subject) {
    let revision = subject.write(&CreateEntry { entry: entry("a", &["a:1"]) }).unwrap().revision;
    let mut counted = None;
    let read = &mut |tx: &mut dyn ReadTx| {
        counted = Some(count(tx)?);
        Ok(())
    };
    subject.backend.read_stale(revision, read).unwrap();
    assert_eq!(counted, Some(1));
}

/// A write that fails leaves its turn to the next one.
pub fn failed_write_holds_up_nobody(subject: &Subject) {
    let (told, failed) = mpsc::channel();
    let backend = Arc::clone(&subject.backend);
    std::thread::spawn(move || {
        let nowhere = CaJournal {
            id: 7,
            data: Vec::new(),
            active_x509_authority_id: String::new(),
            active_jwt_authority_id: String::new(),
        };
        let outcome = backend.write(&mut |tx| StoreCaJournal { journal: nowhere.clone() }.run(tx).map(drop));
        told.send(outcome.unwrap_err().class).unwrap();
    });
    assert_eq!(failed.recv().unwrap(), ErrorClass::NotFound);
    subject.done(&CreateEntry { entry: entry("a", &["a:1"]) });
}
