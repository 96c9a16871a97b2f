use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use steeple_crypto::keys::Ed25519Key;

use super::*;
use crate::checkpoint::origin;
use crate::record::Chain;
use crate::{Actor, Event, EventKind};

const DOMAIN: &str = "example.org";

/// A trail made by hand: four segments of five records, a checkpoint after every third record.
struct Made {
    folder: tempfile::TempDir,
    verifier: Verifier,
    notes: Vec<String>,
}

impl Made {
    fn new() -> Self {
        Self::of(20, "0f")
    }

    fn of(count: u64, uid: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Ed25519Key::generate().unwrap();
        let uid = uid.repeat(16);
        let name = origin(DOMAIN, &uid);
        let verifier = Verifier::new(&name, key.public_key());
        let mut chain = Chain { uid, authority: "spiffe://example.org/spire/server".to_owned(), next: 0, head: None };
        let (mut tree, mut notes) = (Frontier::default(), Vec::new());
        for number in 0..count {
            let at = Timestamp::from_second(i64::try_from(number).unwrap()).unwrap();
            let kind = EventKind::LogLevelSet { level: format!("level {number}") };
            let line =
                chain.seal_event(&Event { at, actor: Actor::Server, kind, correlation: 7, failure: None }).unwrap();
            tree.push(leaf(&line));
            let path = folder.path().join(format!("{:020}.jsonl", number / 5 * 5));
            let before = fs::read(&path).unwrap_or_default();
            fs::write(path, [&before[..], &line, b"\n"].concat()).unwrap();
            if number % 3 == 2 {
                let checkpoint = Checkpoint { tree: tree.clone(), head: chain.head.unwrap(), at };
                notes.push(checkpoint.sign(&name, &key));
            }
        }
        fs::write(folder.path().join("key.pub"), format!("{verifier}\n")).unwrap();
        let made = Self { folder, verifier, notes };
        made.keep_notes(made.notes.len());
        made
    }

    fn keep_notes(&self, count: usize) {
        let text = self.notes[..count].iter().flat_map(|note| [note.as_str(), "\n"]);
        fs::write(self.folder.path().join("checkpoints"), text.collect::<String>()).unwrap();
    }

    fn segment(&self, first: u64) -> PathBuf {
        self.folder.path().join(format!("{first:020}.jsonl"))
    }

    fn lines(&self, first: u64) -> Vec<String> {
        fs::read_to_string(self.segment(first)).unwrap().lines().map(str::to_owned).collect()
    }

    fn put(&self, first: u64, lines: &[String]) {
        let text = lines.iter().flat_map(|line| [line.as_str(), "\n"]);
        fs::write(self.segment(first), text.collect::<String>()).unwrap();
    }

    fn verify(&self) -> Result<Verified, Finding> {
        verify(self.folder.path(), &Question::default())
    }

    fn finding(&self) -> String {
        self.verify().unwrap_err().to_string()
    }
}

#[test]
fn untouched_trail_is_in_order() {
    let made = Made::new();
    let chain = "0f".repeat(16);
    let whole = Verified { chain, first: 0, pruned: 0, records: 20, checkpoints: 6, uncovered: 2, torn: 0 };
    assert_eq!(made.verify().unwrap(), whole);
}

#[test]
fn edited_record_is_found() {
    let made = Made::new();
    let mut lines = made.lines(5);
    lines[2] = lines[2].replace("level 7", "level 8");
    made.put(5, &lines);
    assert!(made.finding().contains("005.jsonl:3: the record was changed"), "{}", made.finding());
}

#[test]
fn deleted_record_is_found_wherever_it_was() {
    for at in 0..5 {
        let made = Made::new();
        let mut lines = made.lines(10);
        lines.remove(at);
        made.put(10, &lines);
        assert!(made.verify().is_err(), "{at}");
    }
    let made = Made::new();
    fs::remove_file(made.segment(5)).unwrap();
    assert!(made.finding().ends_with("begins with record 10, where record 5 is next"), "{}", made.finding());
}

#[test]
fn reordered_records_are_found() {
    let made = Made::new();
    let mut lines = made.lines(5);
    lines.swap(1, 2);
    made.put(5, &lines);
    assert!(made.finding().contains("metadata.sequence of the record"), "{}", made.finding());
}

#[test]
fn truncated_trail_is_found() {
    let made = Made::new();
    fs::remove_file(made.segment(15)).unwrap();
    assert!(made.finding().starts_with("the trail ends after 15 records, but a checkpoint of"), "{}", made.finding());
    // Cut within the records that no checkpoint covers, it is in order, unless somebody kept a checkpoint.
    let made = Made::new();
    made.put(15, &made.lines(15)[..3]);
    assert_eq!(made.verify().unwrap().records, 18);
}

#[test]
fn record_of_another_trail_is_found() {
    let (made, other) = (Made::new(), Made::of(20, "f0"));
    let mut lines = made.lines(15);
    lines[4] = other.lines(15).remove(4);
    made.put(15, &lines);
    assert!(made.finding().contains(":5: chain_uid of the record"), "{}", made.finding());
    let (made, other) = (Made::new(), Made::of(20, "0f"));
    made.put(5, &other.lines(5));
    // The same records, but the checkpoints are by another key.
    assert!(made.verify().is_ok());
    fs::copy(other.folder.path().join("checkpoints"), made.folder.path().join("checkpoints")).unwrap();
    assert!(made.finding().starts_with("checkpoint 1: the note is not signed by"), "{}", made.finding());
}

#[test]
fn older_trail_in_its_place_is_found_by_a_checkpoint_that_was_kept() {
    let made = Made::new();
    let exported = made.notes[5].clone();
    for first in [10, 15] {
        fs::remove_file(made.segment(first)).unwrap();
    }
    made.keep_notes(3);
    assert_eq!(made.verify().unwrap().records, 10);
    let question =
        Question { checkpoint: Some(exported), verifier: Some(made.verifier.clone()), ..Question::default() };
    let finding = verify(made.folder.path(), &question).unwrap_err().to_string();
    assert!(finding.starts_with("the trail ends after 10 records, but a checkpoint of"), "{finding}");
}

#[test]
fn trail_that_was_written_anew_is_found_by_a_checkpoint_that_was_kept() {
    let made = Made::new();
    let exported = made.notes[2].clone();
    let lines = made.lines(0);
    let mut chain = Chain { uid: "0f".repeat(16), authority: "spiffe://other".to_owned(), next: 0, head: None };
    let kind = || EventKind::LogLevelSet { level: "calm".to_owned() };
    let forged: Vec<String> = (0..15)
        .map(|_| Event { at: Timestamp::UNIX_EPOCH, actor: Actor::Server, kind: kind(), correlation: 7, failure: None })
        .map(|event| String::from_utf8(chain.seal_event(&event).unwrap()).unwrap())
        .collect();
    assert_ne!(forged[..5], lines);
    for first in [0_usize, 5, 10] {
        made.put(u64::try_from(first).unwrap(), &forged[first..first + 5]);
    }
    fs::remove_file(made.segment(15)).unwrap();
    made.keep_notes(0);
    assert!(made.verify().is_ok(), "without checkpoints a chain says no more than that it hangs together");
    let question = Question { checkpoint: Some(exported), ..Question::default() };
    let finding = verify(made.folder.path(), &question).unwrap_err().to_string();
    assert!(finding.starts_with("the first 9 records are not those of the checkpoint"), "{finding}");
}

#[test]
fn checkpoints_that_were_changed_are_found() {
    let made = Made::new();
    let path = made.folder.path().join("checkpoints");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\n6\n", "\n7\n", 1)).unwrap();
    assert!(made.finding().starts_with("checkpoint 2: the note is not signed by"), "{}", made.finding());
    fs::write(&path, [&made.notes[1], "\n", &made.notes[0], "\n"].map(|part: &str| part).concat()).unwrap();
    assert!(made.finding().starts_with("checkpoint 2 covers 3 records, fewer"), "{}", made.finding());
}

#[test]
fn range_is_verified_from_the_checkpoint_before_to_the_one_after() {
    let made = Made::new();
    let question = |from, to| Question { from, to: Some(to), ..Question::default() };
    let found = verify(made.folder.path(), &question(7, 9)).unwrap();
    assert_eq!((found.first, found.records, found.checkpoints), (6, 6, 2));
    // What is before and after is not looked at.
    for (first, at) in [(0, 1), (15, 3)] {
        let mut lines = made.lines(first);
        lines[at] = lines[at].replace("level", "revel");
        made.put(first, &lines);
    }
    assert!(verify(made.folder.path(), &question(7, 9)).is_ok());
    assert!(verify(made.folder.path(), &question(7, 18)).is_err());
    let beyond = verify(Made::new().folder.path(), &question(7, 20)).unwrap_err().to_string();
    assert_eq!(beyond, "there is no record 20 in the trail");
}

#[test]
fn checkpoint_that_was_kept_is_compared_with_whatever_range_is_asked_for() {
    let made = Made::new();
    let kept = made.notes[1].clone();
    let mut lines = made.lines(0);
    lines[4] = lines[4].replace("level", "revel");
    made.put(0, &lines);
    let question = Question { from: 12, to: Some(13), ..Question::default() };
    assert!(verify(made.folder.path(), &question).is_ok());
    let question = Question { checkpoint: Some(kept), ..question };
    assert!(verify(made.folder.path(), &question).is_err());
    let question = Question { checkpoint: Some(made.notes[5].clone()), to: Some(2), ..Question::default() };
    let made = Made::of(10, "0f");
    assert!(matches!(verify(made.folder.path(), &question), Err(Finding::Checkpoint { number: 0, .. })), "another key");
}

#[test]
fn proof_of_one_record_is_verified_without_the_trail() {
    let made = Made::new();
    for index in [0, 7, 17] {
        let proof = prove(made.folder.path(), index).unwrap();
        let proof = Proof::from_json(&proof.to_json()).unwrap();
        assert_eq!(proof.verify(&made.verifier).unwrap().sequence, index);
        let others = Proof { index: index + 1, ..proof.clone() };
        assert_eq!(others.verify(&made.verifier), Err(ProofError::NotIncluded));
        let changed = Proof { record: proof.record.replace("level", "revel"), ..proof.clone() };
        assert!(matches!(changed.verify(&made.verifier), Err(ProofError::Record(_))));
        let other = Made::new();
        assert!(matches!(proof.verify(&other.verifier), Err(ProofError::Checkpoint(_))));
    }
    assert_eq!(prove(made.folder.path(), 18).unwrap_err().to_string(), "there is no record 18 in the trail");
}
