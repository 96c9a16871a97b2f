//! The proof that one record is in a trail: it stands by itself.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::stopped::Stopped;
use crate::trail::{audited, folder, lines};
use crate::verifiers::{Question, audit};

#[test]
fn proof_of_a_record_is_verified_with_the_trail_gone() {
    let stopped = Stopped::new().unwrap();
    let records = lines(&stopped.folder).unwrap();
    let proofs: Vec<PathBuf> = (0..records.len()).map(|at| prove(&stopped, at).unwrap()).collect();
    fs::remove_dir_all(&stopped.folder).unwrap();
    for (at, proof) in proofs.iter().enumerate() {
        let [ours, other] = by_itself(&stopped, proof).passes().unwrap();
        assert!(ours.starts_with(&format!("Record {at} is in the trail.\n{}\n", records[at])), "{ours}");
        assert!(
            other.starts_with(&format!("in order: record {at} is one of the {} records", records.len())),
            "{other}"
        );
    }
}

#[test]
fn proof_of_another_record_proves_nothing() {
    let stopped = Stopped::new().unwrap();
    let records = lines(&stopped.folder).unwrap();
    let proof = prove(&stopped, 4).unwrap();
    let edited = records[4].replacen("\"status_id\":1", "\"status_id\":2", 1);
    assert_ne!(edited, records[4]);
    let others = lines(&Stopped::new().unwrap().folder).unwrap();
    let flipped = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    for (name, members, text) in [
        ("line", vec![("/record", json!(records[5]))], ""),
        ("line-and-index", vec![("/record", json!(records[5])), ("/index", json!(5))], "is not in the tree of"),
        ("index", vec![("/index", json!(5))], ""),
        ("edited", vec![("/record", json!(edited))], "the record was changed"),
        ("other-trail", vec![("/record", json!(others[4]))], ""),
        ("path", vec![("/path/0", flipped)], "is not in the tree of"),
    ] {
        let forged = forge(&stopped, &proof, name, members).unwrap();
        by_itself(&stopped, &forged).fails(text).unwrap();
    }
    by_itself(&stopped, &proof).passes().unwrap();
}

#[test]
fn proof_is_believed_by_the_key_of_its_trail_alone() {
    let (stopped, other) = (Stopped::new().unwrap(), Stopped::new().unwrap());
    let proof = prove(&stopped, 4).unwrap();
    Question { key: Some(&other.key), ..by_itself(&stopped, &proof) }.fails("is not signed by").unwrap();
}

#[test]
fn record_that_no_checkpoint_covers_yet_has_no_proof() {
    let pair = audited().unwrap();
    let _server = pair.start_server().unwrap();
    let trail = folder(&pair).display().to_string();
    let next = lines(&folder(&pair)).unwrap().len().to_string();
    let refused = audit(&["prove", "-directory", &trail, "-record", &next]).unwrap();
    assert_eq!((refused.exit, refused.stdout.as_str()), (1, ""));
    assert!(
        refused.stderr.contains(&format!("there is no record {next} in the trail, or no checkpoint covers it yet")),
        "{refused:?}"
    );
}

/// A file with the proof of a record.
fn prove(stopped: &Stopped, record: usize) -> Result<PathBuf> {
    let folder = stopped.folder.display().to_string();
    let proof = audit(&["prove", "-directory", &folder, "-record", &record.to_string()])?;
    ensure!(proof.exit == 0 && proof.stderr.is_empty(), "{proof:?}");
    let path = stopped.pair.path(&format!("proof-{record}.json"));
    fs::write(&path, proof.stdout)?;
    Ok(path)
}

/// A file with a proof of which some members are others.
fn forge(stopped: &Stopped, proof: &Path, name: &str, members: Vec<(&str, Value)>) -> Result<PathBuf> {
    let mut forged: Value = serde_json::from_str(&fs::read_to_string(proof)?)?;
    for (member, value) in members {
        *forged.pointer_mut(member).context("no such member")? = value;
    }
    let path = stopped.pair.path(&format!("forged-{name}.json"));
    fs::write(&path, forged.to_string())?;
    Ok(path)
}

fn by_itself<'a>(stopped: &'a Stopped, proof: &'a Path) -> Question<'a> {
    Question { proof: Some(proof), key: Some(&stopped.key), ..Question::default() }
}
