//! What is done to the files of a trail is found by both verifiers, which name the place; a server doesn't go on with what was
//! done to its end.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use regex::Regex;
use steeple_crypto::digest::sha256_hex_of;

use crate::stopped::{SEGMENT, Stopped};
use crate::trail::{block, create, entry_id, lines, stop};
use crate::verifiers::{Question, audit};

/// A place in the middle of the records.
const MIDDLE: usize = 5;

#[test]
fn edited_record_is_found() {
    let mut stopped = Stopped::new().unwrap();
    let last = lines(&stopped.folder).unwrap().len() - 1;
    for at in [0, MIDDLE, last] {
        let copy = stopped.changed(&format!("edited-{at}"), |lines| edit(lines, at)).unwrap();
        let place = format!("{SEGMENT}:{}: the record was changed", at + 1);
        stopped.question(&copy).fails(&place).unwrap();
    }
    let copy = stopped.pair.path(&format!("edited-{last}"));
    stopped.refuses(&copy, &format!("record {last} of the trail: the record was changed")).unwrap();
    stopped.goes_on().unwrap();
}

#[test]
fn record_written_anew_with_all_that_follow_is_found_by_the_checkpoints() {
    let mut stopped = Stopped::new().unwrap();
    let copy = stopped.changed("anew", |lines| edit(lines, MIDDLE).and_then(|()| link_anew(lines, MIDDLE))).unwrap();
    let [ours, _] = stopped.question(&copy).fails("records are not those of the checkpoint").unwrap();
    assert!(ours.contains("the first "), "{ours}");
    let last = lines(&copy).unwrap().len() - 1;
    stopped.refuses(&copy, &format!("record {last} of the trail does not follow the one before")).unwrap();
    stopped.goes_on().unwrap();
    // Without the checkpoints it hangs together: that is what they are for.
    fs::remove_file(copy.join("checkpoints")).unwrap();
    stopped.question(&copy).passes().unwrap();
}

#[test]
fn deleted_record_is_found() {
    let mut stopped = Stopped::new().unwrap();
    let last = lines(&stopped.folder).unwrap().len() - 1;
    for at in [0, MIDDLE] {
        let copy = stopped.changed(&format!("deleted-{at}"), |lines| remove(lines, at)).unwrap();
        stopped.question(&copy).fails(&format!("{SEGMENT}:{}: metadata.sequence", at + 1)).unwrap();
        stopped.refuses(&copy, &format!("records {last} to {last} of the trail are missing")).unwrap();
    }
    let copy = stopped.changed("deleted-last", |lines| remove(lines, last)).unwrap();
    stopped.question(&copy).fails(&format!("the trail ends after {last} records, but a checkpoint")).unwrap();
    stopped.refuses(&copy, &format!("records {last} to {last} of the trail are missing")).unwrap();
    stopped.goes_on().unwrap();
}

#[test]
fn exchanged_records_are_found() {
    let mut stopped = Stopped::new().unwrap();
    let last = lines(&stopped.folder).unwrap().len() - 1;
    for (name, one, other) in [("near", MIDDLE, MIDDLE + 1), ("far", 1, MIDDLE), ("end", last - 1, last)] {
        let copy = stopped.changed(name, |lines| exchange(lines, one, other)).unwrap();
        stopped.question(&copy).fails(&format!("{SEGMENT}:{}: metadata.sequence", one + 1)).unwrap();
    }
    let copy = stopped.pair.path("end");
    stopped.refuses(&copy, &format!("record {last} of the trail does not follow the one before")).unwrap();
    stopped.goes_on().unwrap();
}

#[test]
fn file_cut_off_before_its_last_checkpointed_record_is_found() {
    let mut stopped = Stopped::new().unwrap();
    let count = lines(&stopped.folder).unwrap().len();
    let whole = fs::read(stopped.folder.join(SEGMENT)).unwrap();
    // At the end of a record, within one, and at once.
    let at_record = whole.len() - lines(&stopped.folder).unwrap()[count - 3..].concat().len() - 3;
    for (name, length, left) in [("whole", at_record, count - 3), ("within", at_record + 9, count - 3), ("empty", 0, 0)]
    {
        let copy = stopped.copy(name).unwrap();
        fs::write(copy.join(SEGMENT), &whole[..length]).unwrap();
        stopped.question(&copy).fails(&format!("the trail ends after {left} records, but a checkpoint")).unwrap();
        stopped.refuses(&copy, &format!("records {left} to {} of the trail are missing", count - 1)).unwrap();
    }
    let copy = stopped.copy("gone").unwrap();
    fs::remove_file(copy.join(SEGMENT)).unwrap();
    stopped.question(&copy).fails("the trail ends after 0 records, but a checkpoint").unwrap();
    stopped.refuses(&copy, &format!("records 0 to {} of the trail are missing", count - 1)).unwrap();
    stopped.goes_on().unwrap();
}

#[test]
fn record_of_another_servers_trail_is_found() {
    let (mut stopped, other) = (Stopped::new().unwrap(), Stopped::new().unwrap());
    let last = lines(&stopped.folder).unwrap().len() - 1;
    let others = lines(&other.folder).unwrap();
    assert_eq!(others.len() - 1, last);
    for at in [0, MIDDLE, last] {
        let copy = stopped.changed(&format!("spliced-{at}"), |lines| put(lines, at, &others)).unwrap();
        stopped.question(&copy).fails(&format!("{SEGMENT}:{}: chain_uid", at + 1)).unwrap();
    }
    let copy = stopped.pair.path(&format!("spliced-{last}"));
    stopped.refuses(&copy, &format!("record {last} of the trail does not follow the one before")).unwrap();
    stopped.goes_on().unwrap();
}

#[test]
fn changed_checkpoint_is_found() {
    let mut stopped = Stopped::new().unwrap();
    let copy = stopped.copy("checkpoint").unwrap();
    let notes = fs::read_to_string(copy.join("checkpoints")).unwrap();
    let number = notes.matches("\nhead ").count();
    let (before, last) = notes.rsplit_once("\nhead ").unwrap();
    let flipped = if last.starts_with('0') { "1" } else { "0" };
    fs::write(copy.join("checkpoints"), format!("{before}\nhead {flipped}{}", &last[1..])).unwrap();
    stopped.question(&copy).fails(&format!("checkpoint {number}: the ")).unwrap();
    stopped.refuses(&copy, "the last checkpoint of the trail: the note is not signed by").unwrap();
    stopped.goes_on().unwrap();
}

#[test]
fn older_copy_of_the_folder_is_found_by_a_checkpoint_that_was_exported_later() {
    let mut stopped = Stopped::new().unwrap();
    let older = stopped.copy("older").unwrap();
    let kept = export_later(&stopped).unwrap();
    stopped.question(&stopped.folder).passes().unwrap();
    let question = |folder| Question { checkpoint: Some(&kept), ..stopped.question(folder) };
    question(&stopped.folder).passes().unwrap();
    // It is in order by itself, so what is found is found by the checkpoint.
    stopped.question(&older).passes().unwrap();
    let count = lines(&older).unwrap().len();
    question(&older).fails(&format!("the trail ends after {count} records, but a checkpoint")).unwrap();
    // A server that goes on with it can't know; whoever kept the checkpoint sees it however long the trail gets.
    stopped.pair.server_blocks = block(&older);
    grow_beyond(&stopped, &older).unwrap();
    stopped.question(&older).passes().unwrap();
    let question = Question { checkpoint: Some(&kept), ..stopped.question(&older) };
    let size = fs::read_to_string(&kept).unwrap().lines().nth(1).unwrap().to_owned();
    question.fails(&format!("{size} records")).unwrap();
    stopped.goes_on().unwrap();
}

/// Has the server do more, and exports its last checkpoint while it runs.
fn export_later(stopped: &Stopped) -> Result<PathBuf> {
    let mut server = stopped.pair.start_server()?;
    for number in 0..4 {
        entry_id(&create(&stopped.pair, &format!("later-{number}"))?)?;
    }
    let exported = audit(&["checkpoint", "-directory", &stopped.folder.display().to_string()])?;
    ensure!(exported.exit == 0 && exported.stderr.is_empty(), "{exported:?}");
    let kept = stopped.pair.path("kept.checkpoint");
    fs::write(&kept, exported.stdout)?;
    stop(&mut server)?;
    Ok(kept)
}

/// Has the server write more records than there are in the trail that nobody touched.
fn grow_beyond(stopped: &Stopped, folder: &Path) -> Result<()> {
    let mut server = stopped.pair.start_server()?;
    for number in 0.. {
        if lines(folder)?.len() > lines(&stopped.folder)?.len() {
            break;
        }
        entry_id(&create(&stopped.pair, &format!("forked-{number}"))?)?;
    }
    stop(&mut server)
}

/// Puts another digit into the time of a record, which stays a record of the same form.
fn edit(lines: &mut [String], at: usize) -> Result<()> {
    let line = lines.get_mut(at).context("no such record")?;
    let form = Regex::new(r#""time":(\d+)(\d)"#)?;
    let found = form.captures(line).context("a record without a time")?;
    let digit = if found[2] == *"7" { 8 } else { 7 };
    *line = form.replace(line, format!("\"time\":${{1}}{digit}")).into_owned();
    Ok(())
}

/// Makes fingerprints and links from a record on fit the content again, as one can without the key.
fn link_anew(lines: &mut [String], from: usize) -> Result<()> {
    let object = r#"\{"algorithm_id":3,"encoding_id":1,"serialization_id":2,"value":"([0-9a-f]{64})"\}"#;
    let own = Regex::new(&format!(r#"("chain_uid":"[0-9a-f]+"),"fingerprint":{object}"#))?;
    let link = Regex::new(&format!(r#""prev_event":\{{"fingerprint":{object}"#))?;
    let told = |hash: &str| format!(r#"{{"algorithm_id":3,"encoding_id":1,"serialization_id":2,"value":"{hash}"}}"#);
    let mut head: Option<String> = None;
    for line in lines.iter_mut().skip(from) {
        if let Some(head) = &head {
            *line = link.replace(line, format!(r#""prev_event":{{"fingerprint":{}"#, told(head))).into_owned();
        }
        let bare = own.replace(line, "$1").into_owned();
        ensure!(bare != *line, "no fingerprint in {line}");
        let hash = sha256_hex_of(bare.as_bytes())?;
        *line = own.replace(line, format!(r#"${{1}},"fingerprint":{}"#, told(&hash))).into_owned();
        head = Some(hash);
    }
    Ok(())
}

fn remove(lines: &mut Vec<String>, at: usize) -> Result<()> {
    ensure!(at < lines.len(), "no such record");
    lines.remove(at);
    Ok(())
}

fn exchange(lines: &mut [String], one: usize, other: usize) -> Result<()> {
    ensure!(one.max(other) < lines.len(), "no such records");
    lines.swap(one, other);
    Ok(())
}

fn put(lines: &mut [String], at: usize, others: &[String]) -> Result<()> {
    let (line, other) = lines.get_mut(at).zip(others.get(at)).context("no such record")?;
    line.clone_from(other);
    Ok(())
}
