//! Whether a trail is what was written.

mod proof;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::folder::{Folder, FolderError, SegmentFile, at};
use crate::merkle::{Frontier, Hash, leaf};
use crate::note::{NoteError, Verifier};
use crate::record::{Record, RecordError};
use crate::tail::{Lines, split};

pub use proof::{Proof, ProofError, prove};

/// What is verified, and by what.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The key that signs checkpoints, from where the trail's writer can't reach; the folder's own if none is given.
    pub verifier: Option<Verifier>,
    /// A checkpoint that was exported before.
    pub checkpoint: Option<String>,
    /// First record to verify; the trail's first if none is given.
    pub from: u64,
    /// Last record to verify; the trail's last if none is given.
    pub to: Option<u64>,
}

/// What was found in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Identifier of the chain.
    pub chain: String,
    /// First record that was verified.
    pub first: u64,
    /// How many were.
    pub records: u64,
    /// How many checkpoints they were compared with.
    pub checkpoints: usize,
    /// How many of them no checkpoint covers yet.
    pub uncovered: u64,
    /// Bytes at the end that are no record: of a write that was cut short, or is under way.
    pub torn: u64,
}

/// What is not in order.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// A file can't be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is no key to verify with.
    #[error("{} has no key.pub; give the trail's key (-key)", .0.display())]
    NoKey(PathBuf),
    /// The key is none.
    #[error(transparent)]
    Key(#[from] NoteError),
    /// A checkpoint is not in order.
    #[error("checkpoint {number}: {error}")]
    Checkpoint {
        /// Its number, from 1 on; 0 for the one that was given.
        number: usize,
        /// What is wrong.
        error: CheckpointError,
    },
    /// A checkpoint covers less than the one before.
    #[error("checkpoint {number} covers {size} records, fewer than the one before")]
    Backwards {
        /// Its number.
        number: usize,
        /// How many records it covers.
        size: u64,
    },
    /// Records are missing before a segment.
    #[error("{}: begins with record {found}, where record {wanted} is next", path.display())]
    Gap {
        /// The segment.
        path: PathBuf,
        /// The first record by its name.
        found: u64,
        /// The one that is next.
        wanted: u64,
    },
    /// A line is not a record.
    #[error("{}:{line}: {error}", path.display())]
    Record {
        /// The segment.
        path: PathBuf,
        /// The line, from 1 on.
        line: u64,
        /// What is wrong.
        error: RecordError,
    },
    /// A record is in order, but not the one that comes here.
    #[error("{}:{line}: {what} of the record is not what follows from the one before", path.display())]
    Unlinked {
        /// The segment.
        path: PathBuf,
        /// The line, from 1 on.
        line: u64,
        /// What differs.
        what: &'static str,
    },
    /// A segment ends within a line, though others follow.
    #[error("{}: ends within a line", path.display())]
    Torn {
        /// The segment.
        path: PathBuf,
    },
    /// The records are others than those of a checkpoint.
    #[error("the first {size} records are not those of the checkpoint made over them at {at}")]
    Rewritten {
        /// How many it covers.
        size: u64,
        /// When it was made.
        at: jiff::Timestamp,
    },
    /// The trail is shorter than it was.
    #[error("the trail ends after {found} records, but a checkpoint of {at} covers {size}")]
    Truncated {
        /// How many there are.
        found: u64,
        /// How many it covers.
        size: u64,
        /// When it was made.
        at: jiff::Timestamp,
    },
    /// The range is not in the trail.
    #[error("there is no record {0} in the trail")]
    NoRecord(u64),
}

/// Verifies the trail in a folder.
///
/// # Errors
/// The first [`Finding`].
pub fn verify(path: &Path, question: &Question) -> Result<Verified, Finding> {
    let folder = Folder::new(path);
    let verifier = key_of(&folder, question.verifier.as_ref())?;
    let mut checkpoints = checkpoints(&folder, &verifier)?;
    let (mut from, mut to) = (question.from, question.to);
    if let Some(note) = &question.checkpoint {
        let given = Checkpoint::open(note, &verifier).map_err(|error| Finding::Checkpoint { number: 0, error })?;
        // What was kept is compared with, whatever range is asked for.
        let last = given.tree.size().saturating_sub(1);
        (from, to) = (from.min(last), to.map(|to| to.max(last)));
        checkpoints.push(given);
        checkpoints.sort_by_key(|checkpoint| checkpoint.tree.size());
    }
    let mut walk = Walk::from((from, to), &verifier, &checkpoints);
    for segment in folder.segments()? {
        walk.segment(&segment)?;
        if walk.is_done() {
            break;
        }
    }
    walk.end()
}

/// The last checkpoint of the trail in a folder, as the note that it is; none when there is none yet.
///
/// # Errors
/// [`Finding`] when the folder can't be read, or the checkpoints are not in order.
pub fn last_checkpoint(path: &Path) -> Result<Option<String>, Finding> {
    let folder = Folder::new(path);
    checkpoints(&folder, &key_of(&folder, None)?)?;
    Ok(split(&folder.checkpoints()?).0.pop().map(str::to_owned))
}

/// Shows each whole line of the trail in a folder with its number, in order, until `look` has seen enough. Nothing is verified.
///
/// # Errors
/// [`Finding::Folder`] when a file can't be read.
pub fn each_record(path: &Path, mut look: impl FnMut(u64, &str) -> bool) -> Result<(), Finding> {
    for segment in Folder::new(path).segments()? {
        let file = File::open(&segment.path).map_err(at(&segment.path))?;
        let mut lines = Lines(BufReader::with_capacity(1 << 16, file));
        let mut sequence = segment.first;
        while let Some(line) = lines.next().map_err(at(&segment.path))? {
            let Some(text) = line.strip_suffix(b"\n") else { break };
            if !look(sequence, &String::from_utf8_lossy(text)) {
                return Ok(());
            }
            sequence += 1;
        }
    }
    Ok(())
}

fn key_of(folder: &Folder, given: Option<&Verifier>) -> Result<Verifier, Finding> {
    if let Some(verifier) = given {
        return Ok(verifier.clone());
    }
    let text = folder.key()?.ok_or_else(|| Finding::NoKey(folder.path().to_owned()))?;
    Ok(Verifier::parse(&text)?)
}

/// All whole checkpoints of the folder, in order.
fn checkpoints(folder: &Folder, verifier: &Verifier) -> Result<Vec<Checkpoint>, Finding> {
    let text = folder.checkpoints()?;
    let mut checkpoints: Vec<Checkpoint> = Vec::new();
    for (number, note) in (1..).zip(split(&text).0) {
        let checkpoint = Checkpoint::open(note, verifier).map_err(|error| Finding::Checkpoint { number, error })?;
        let size = checkpoint.tree.size();
        if checkpoints.last().is_some_and(|last| last.tree.size() > size) {
            return Err(Finding::Backwards { number, size });
        }
        checkpoints.push(checkpoint);
    }
    Ok(checkpoints)
}

/// A walk along the records.
struct Walk<'a> {
    chain: String,
    /// Checkpoints that are yet to be compared with.
    ahead: &'a [Checkpoint],
    tree: Frontier,
    head: Option<Hash>,
    /// Sequence number of the next record, verified or passed over.
    next: u64,
    /// First record that is verified.
    first: u64,
    /// The size of the tree at which the walk may end.
    until: u64,
    from: u64,
    to: Option<u64>,
    compared: usize,
    covered: u64,
    torn: Option<(PathBuf, u64)>,
}

impl<'a> Walk<'a> {
    /// A walk that begins at the last checkpoint before the records in question.
    fn from((from, to): (u64, Option<u64>), verifier: &Verifier, checkpoints: &'a [Checkpoint]) -> Self {
        let before = checkpoints.iter().rposition(|checkpoint| checkpoint.tree.size() <= from);
        let start = before.and_then(|at| checkpoints.get(at)).filter(|_| from > 0);
        let first = start.map_or(0, |checkpoint| checkpoint.tree.size());
        let skipped = if start.is_some() { before.map_or(0, |at| at + 1) } else { 0 };
        let ahead = checkpoints.get(skipped..).unwrap_or_default();
        let until = to.map(|to| {
            let after = ahead.iter().map(|checkpoint| checkpoint.tree.size()).find(|size| *size > to);
            after.unwrap_or(u64::MAX)
        });
        Self {
            chain: verifier.name().rsplit('/').next().unwrap_or_default().to_owned(),
            ahead,
            tree: start.map(|checkpoint| checkpoint.tree.clone()).unwrap_or_default(),
            head: start.filter(|_| first > 0).map(|checkpoint| checkpoint.head),
            next: 0,
            first,
            until: until.unwrap_or(u64::MAX),
            from,
            to,
            compared: 0,
            covered: first,
            torn: None,
        }
    }

    fn is_done(&self) -> bool {
        self.tree.size() >= self.until
    }

    fn segment(&mut self, segment: &SegmentFile) -> Result<(), Finding> {
        let path = || segment.path.clone();
        if let Some((path, _)) = self.torn.take() {
            return Err(Finding::Torn { path });
        }
        if segment.first != self.next {
            return Err(Finding::Gap { path: path(), found: segment.first, wanted: self.next });
        }
        let file = File::open(&segment.path).map_err(at(&segment.path))?;
        let mut lines = Lines(BufReader::with_capacity(1 << 16, file));
        let mut number = 0;
        while let Some(line) = lines.next().map_err(at(&segment.path))? {
            number += 1;
            let Some(text) = line.strip_suffix(b"\n") else {
                self.torn = Some((path(), u64::try_from(line.len()).unwrap_or(u64::MAX)));
                break;
            };
            if self.next >= self.first {
                self.record(text, &segment.path, number)?;
            }
            self.next += 1;
            if self.is_done() {
                break;
            }
        }
        Ok(())
    }

    fn record(&mut self, text: &[u8], path: &Path, line: u64) -> Result<(), Finding> {
        let record = Record::parse(text).map_err(|error| Finding::Record { path: path.to_owned(), line, error })?;
        let unlinked = |what| Finding::Unlinked { path: path.to_owned(), line, what };
        if record.chain != self.chain {
            return Err(unlinked("chain_uid"));
        }
        if record.sequence != self.next {
            return Err(unlinked("metadata.sequence"));
        }
        if record.previous != self.head {
            return Err(unlinked("prev_event"));
        }
        self.head = Some(record.fingerprint);
        self.tree.push(leaf(text));
        self.compare()
    }

    /// Compares what was read so far with the checkpoints over just that.
    fn compare(&mut self) -> Result<(), Finding> {
        while let Some((checkpoint, ahead)) = self.ahead.split_first() {
            let size = checkpoint.tree.size();
            if size > self.tree.size() {
                break;
            }
            // One over no records at all says nothing of any.
            if size > 0 && (checkpoint.tree != self.tree || Some(checkpoint.head) != self.head) {
                return Err(Finding::Rewritten { size, at: checkpoint.at });
            }
            self.ahead = ahead;
            self.compared += 1;
            self.covered = size;
        }
        Ok(())
    }

    fn end(self) -> Result<Verified, Finding> {
        let found = self.tree.size();
        if let Some(checkpoint) = self.ahead.last().filter(|_| !self.is_done()) {
            return Err(Finding::Truncated { found, size: checkpoint.tree.size(), at: checkpoint.at });
        }
        if let Some(absent) =
            [Some(self.from).filter(|from| *from > 0), self.to].into_iter().flatten().find(|at| *at >= found)
        {
            return Err(Finding::NoRecord(absent));
        }
        Ok(Verified {
            chain: self.chain,
            first: self.first,
            records: found - self.first,
            checkpoints: self.compared,
            uncovered: found - self.covered,
            torn: self.torn.map_or(0, |(_, bytes)| bytes),
        })
    }
}

#[cfg(test)]
#[path = "verify/tests.rs"]
mod tests;
