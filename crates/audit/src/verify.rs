//! Whether a trail is what was written.

mod proof;
mod tombstone;

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
    /// Whether it is an excerpt, which has no records before its first and needs no tombstone that tells of them.
    pub is_excerpt: bool,
}

/// What was found in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Identifier of the chain.
    pub chain: String,
    /// First record that was verified.
    pub first: u64,
    /// How many at the beginning were taken away, of which a tombstone tells.
    pub pruned: u64,
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
    /// Records were taken away, and no tombstone that a checkpoint covers says so.
    #[error("the records before {until} are missing, and no tombstone that a checkpoint covers tells of it")]
    Untold {
        /// The first record that is there.
        until: u64,
    },
    /// A tombstone tells of other records than there were.
    #[error("the tombstone in record {sequence} is not of the records that were there: {what} differs")]
    Tombstone {
        /// Its record.
        sequence: u64,
        /// What differs from the checkpoint over these records.
        what: &'static str,
    },
    /// A checkpoint that was kept can't be compared with.
    #[error("the checkpoint that was kept covers {0} records, all pruned, and is not one of the trail's")]
    Foreign(u64),
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
    let segments = folder.segments()?;
    let pruned = segments.first().map_or(0, |segment| segment.first);
    if from > 0 && from < pruned {
        return Err(Finding::NoRecord(from));
    }
    if let Some(note) = &question.checkpoint {
        let given = Checkpoint::open(note, &verifier).map_err(|error| Finding::Checkpoint { number: 0, error })?;
        let size = given.tree.size();
        if size < pruned && !checkpoints.contains(&given) {
            return Err(Finding::Foreign(size));
        }
        // What was kept is compared with, whatever range is asked for.
        let last = size.saturating_sub(1);
        (from, to) = (from.min(last), to.map(|to| to.max(last)));
        checkpoints.push(given);
        checkpoints.sort_by_key(|checkpoint| checkpoint.tree.size());
    }
    let mut tombstone = None;
    if question.is_excerpt {
        from = from.max(pruned);
    } else if pruned > 0 {
        // The tombstone is verified, whatever range is asked for.
        let sequence = tombstone::of(&segments, &checkpoints, pruned)?;
        (from, to) = (from.max(pruned).min(sequence), to.map(|to| to.max(sequence)));
        tombstone = Some(sequence);
    }
    let mut walk = Walk::from((from, to), &verifier, &checkpoints, pruned)?;
    walk.tombstone = tombstone;
    for segment in segments {
        walk.segment(&segment)?;
        if walk.is_done() {
            break;
        }
    }
    walk.end()
}

/// The checkpoint over just the first `size` records of the trail in a folder, if there is one.
pub(crate) fn checkpoint_over(path: &Path, size: u64) -> Result<Option<Checkpoint>, Finding> {
    let folder = Folder::new(path);
    let (text, wanted) = (folder.checkpoints()?, size.to_string());
    let Some(note) = split(&text).0.into_iter().find(|note| note.lines().nth(1) == Some(&wanted)) else {
        return Ok(None);
    };
    let checkpoint = Checkpoint::open(note, &key_of(&folder, None)?);
    Ok(Some(checkpoint.map_err(|error| Finding::Checkpoint { number: 0, error })?))
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
pub fn each_record(path: &Path, look: impl FnMut(u64, &str) -> bool) -> Result<(), Finding> {
    each_record_from(path, 0, look)
}

/// The same, from record `from` on; segments before it are not read.
///
/// # Errors
/// [`Finding::Folder`] when a file can't be read.
pub fn each_record_from(path: &Path, from: u64, mut look: impl FnMut(u64, &str) -> bool) -> Result<(), Finding> {
    let segments = Folder::new(path).segments()?;
    let begin = segments.iter().rposition(|segment| segment.first <= from).unwrap_or_default();
    for segment in segments.get(begin..).unwrap_or_default() {
        let mut lines = Lines(segment.open()?);
        let mut sequence = segment.first;
        while let Some(line) = lines.next().map_err(at(&segment.path))? {
            let Some(text) = line.strip_suffix(b"\n") else { break };
            if sequence >= from && !look(sequence, &String::from_utf8_lossy(text)) {
                return Ok(());
            }
            sequence += 1;
        }
    }
    Ok(())
}

pub(crate) fn key_of(folder: &Folder, given: Option<&Verifier>) -> Result<Verifier, Finding> {
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
    /// How many records are gone.
    pruned: u64,
    /// The record that tells of it.
    tombstone: Option<u64>,
    torn: Option<(PathBuf, u64)>,
}

impl<'a> Walk<'a> {
    /// A walk that begins at the last checkpoint before the records in question.
    fn from(
        (from, to): (u64, Option<u64>),
        verifier: &Verifier,
        checkpoints: &'a [Checkpoint],
        pruned: u64,
    ) -> Result<Self, Finding> {
        let before = checkpoints.iter().rposition(|checkpoint| checkpoint.tree.size() <= from);
        let start = before.and_then(|at| checkpoints.get(at)).filter(|_| from > 0);
        let first = start.map_or(0, |checkpoint| checkpoint.tree.size());
        if first < pruned {
            return Err(Finding::Untold { until: pruned });
        }
        let skipped = if start.is_some() { before.map_or(0, |at| at + 1) } else { 0 };
        let ahead = checkpoints.get(skipped..).unwrap_or_default();
        let until = to.map(|to| {
            let after = ahead.iter().map(|checkpoint| checkpoint.tree.size()).find(|size| *size > to);
            after.unwrap_or(u64::MAX)
        });
        Ok(Self {
            chain: verifier.name().rsplit('/').next().unwrap_or_default().to_owned(),
            ahead,
            tree: start.map(|checkpoint| checkpoint.tree.clone()).unwrap_or_default(),
            head: start.filter(|_| first > 0).map(|checkpoint| checkpoint.head),
            next: pruned,
            first,
            until: until.unwrap_or(u64::MAX),
            from,
            to,
            compared: 0,
            covered: first,
            pruned,
            tombstone: None,
            torn: None,
        })
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
        let mut lines = Lines(segment.open()?);
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
        if self.tombstone.is_some_and(|sequence| sequence >= self.covered) {
            return Err(Finding::Untold { until: self.pruned });
        }
        Ok(Verified {
            chain: self.chain,
            first: self.first,
            pruned: self.pruned,
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
