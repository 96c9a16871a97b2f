//! A part of a trail, with all that is needed to verify it elsewhere.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::checkpoint::Checkpoint;
use crate::folder::{Folder, at};
use crate::tail::split;
use crate::verify::{Finding, each_record_from, key_of};

/// What was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The first record: that after the last checkpoint before what was asked for.
    pub first: u64,
    /// The first record that is not in it.
    pub until: u64,
}

/// Writes records `from` to `to` into the folder `target`, which is made, with those before as far as the checkpoint before them,
/// those after as far as the checkpoint after them, all checkpoints up to there, and the key.
///
/// # Errors
/// [`Finding`] when something can't be read or written, or a record is not there.
pub fn export(trail: &Path, target: &Path, (from, to): (u64, u64)) -> Result<Exported, Finding> {
    let folder = Folder::new(trail);
    let verifier = key_of(&folder, None)?;
    let text = folder.checkpoints()?;
    let (mut first, mut until, mut notes) = (0, None, String::new());
    for (number, note) in (1..).zip(split(&text).0) {
        let size =
            Checkpoint::open(note, &verifier).map_err(|error| Finding::Checkpoint { number, error })?.tree.size();
        if size <= from {
            first = size;
        }
        notes.push_str(note);
        notes.push('\n');
        if size > to {
            until = Some(size);
            break;
        }
    }
    let begin = folder.segments()?.first().map_or(0, |segment| segment.first);
    if from < begin {
        return Err(Finding::NoRecord(from));
    }
    // Without a checkpoint after them, records are exported to the end.
    let until = until.unwrap_or(u64::MAX);
    std::fs::DirBuilder::new().mode(0o750).create(target).map_err(at(target))?;
    let file = |name: &str| {
        let path = target.join(name);
        let file = OpenOptions::new().create_new(true).write(true).mode(0o640).open(&path);
        file.map(BufWriter::new).map_err(at(&path))
    };
    let name = format!("{first:020}.jsonl");
    let (mut records, mut next, mut failure) = (file(&name)?, first, None);
    each_record_from(trail, first, |sequence, line| {
        if sequence >= until {
            return false;
        }
        next = sequence + 1;
        failure = records.write_all(line.as_bytes()).and_then(|()| records.write_all(b"\n")).err();
        failure.is_none()
    })?;
    let written = failure.map_or(Ok(()), Err).and_then(|()| records.flush());
    written.map_err(at(&target.join(&name)))?;
    for (name, text) in [("checkpoints", notes.as_str()), ("key.pub", &format!("{verifier}\n"))] {
        let mut file = file(name)?;
        file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(at(&target.join(name)))?;
    }
    if to >= next { Err(Finding::NoRecord(to)) } else { Ok(Exported { first, until: next }) }
}
