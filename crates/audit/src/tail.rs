//! Where a trail ends: what a start reads of it, and what it makes of a write that was cut short.

use std::io::BufRead;

use jiff::Timestamp;
use serde_json::Value;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::folder::{Folder, FolderError, SegmentFile, at};
use crate::merkle::{Frontier, Hash, leaf};
use crate::note::Verifier;
use crate::record::{MAX_LINE, Record, RecordError};

/// Why a trail is not gone on with.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// A file can't be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The last checkpoint is not in order.
    #[error("the last checkpoint of the trail: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Records are missing.
    #[error("records {from} to {to} of the trail are missing, for which there is a checkpoint")]
    Missing {
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// A record is not in order.
    #[error("record {sequence} of the trail: {error}")]
    Record {
        /// Its sequence number.
        sequence: u64,
        /// What is wrong.
        error: RecordError,
    },
    /// A record is in order, but does not follow the one before.
    #[error("record {sequence} of the trail does not follow the one before")]
    Unlinked {
        /// Its sequence number.
        sequence: u64,
    },
}

/// The end of a trail.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    pub(crate) tree: Frontier,
    pub(crate) head: Option<Hash>,
    /// The records that the last checkpoint covers.
    pub(crate) covered: u64,
    /// The last segment, if there is one.
    pub(crate) segment: Option<LastSegment>,
    /// The bytes after them.
    pub(crate) torn: u64,
}

/// The last segment of a trail.
#[derive(Debug)]
pub(crate) struct LastSegment {
    pub(crate) at: SegmentFile,
    /// How many of its bytes are records.
    pub(crate) length: u64,
    /// When its first record was made.
    pub(crate) begun: Option<Timestamp>,
}

/// Reads the end of the trail, from its last checkpoint on; a torn last line is left out.
pub(crate) fn read(folder: &Folder, verifier: &Verifier, chain: &str) -> Result<Tail, TailError> {
    let mut tail = Tail::default();
    if let Some(checkpoint) = last_checkpoint(folder, verifier)? {
        tail.covered = checkpoint.tree.size();
        tail.head = (tail.covered > 0).then_some(checkpoint.head);
        tail.tree = checkpoint.tree;
    }
    let segments = folder.segments()?;
    // The segment in which the checkpoint's last record stands, and those after it.
    let from = segments.iter().rposition(|segment| segment.first < tail.covered.max(1)).unwrap_or_default();
    let mut next = segments.get(from).map_or(0, |segment| segment.first);
    let covered = tail.covered;
    for segment in segments.get(from..).unwrap_or_default() {
        if segment.first != next {
            return Err(TailError::Missing { from: next, to: segment.first.saturating_sub(1) });
        }
        (next, tail.torn) = follow(segment, next, chain, &mut tail)?;
    }
    if next < covered {
        return Err(TailError::Missing { from: next, to: covered - 1 });
    }
    Ok(tail)
}

/// Reads a segment; yields the sequence number after its last record, and how many bytes are no record.
fn follow(segment: &SegmentFile, first: u64, chain: &str, tail: &mut Tail) -> Result<(u64, u64), TailError> {
    let size = std::fs::metadata(&segment.path).map_err(at(&segment.path))?.len();
    let (mut next, mut length, mut begun) = (first, 0, None);
    let mut lines = Lines(segment.open()?);
    while let Some(line) = lines.next().map_err(at(&segment.path))? {
        let Some(text) = line.strip_suffix(b"\n") else { break };
        length += u64::try_from(line.len()).unwrap_or(u64::MAX);
        if next == first {
            begun = time_of(text);
        }
        if next + 1 >= tail.covered {
            let record = Record::parse(text).map_err(|error| TailError::Record { sequence: next, error })?;
            let is_checkpoints = next + 1 == tail.covered && tail.head == Some(record.fingerprint);
            let is_next = next + 1 > tail.covered && record.previous == tail.head;
            if record.sequence != next || record.chain != chain || !(is_checkpoints || is_next) {
                return Err(TailError::Unlinked { sequence: next });
            }
            if is_next {
                tail.tree.push(leaf(text));
                tail.head = Some(record.fingerprint);
            }
        }
        next += 1;
    }
    if segment.is_compressed() {
        // Nothing is added to it: what comes next begins a file of its own.
        tail.segment = None;
        return Ok((next, 0));
    }
    tail.segment = Some(LastSegment { at: segment.clone(), length, begun });
    Ok((next, size - length))
}

/// When a record was made, as it tells.
fn time_of(line: &[u8]) -> Option<Timestamp> {
    let record: Value = serde_json::from_slice(line).ok()?;
    Timestamp::from_millisecond(record.get("time")?.as_i64()?).ok()
}

/// The last checkpoint that is whole; a note that was cut short while it was written is cut off.
fn last_checkpoint(folder: &Folder, verifier: &Verifier) -> Result<Option<Checkpoint>, TailError> {
    let text = folder.checkpoints()?;
    let (notes, rest) = split(&text);
    if !rest.is_empty() {
        folder.cut_checkpoints(text.len() - rest.len())?;
    }
    Ok(notes.last().map(|note| Checkpoint::open(note, verifier)).transpose()?)
}

/// The whole notes of a file of checkpoints, each with its last line feed, and what comes after them.
pub(crate) fn split(text: &str) -> (Vec<&str>, &str) {
    let (mut notes, mut rest) = (Vec::new(), text);
    // A note is a text, an empty line and a signature; after each comes another empty line.
    while let Some(end) = rest.match_indices("\n\n").nth(1).map(|(at, _)| at + 1) {
        notes.push(rest.get(..end).unwrap_or_default());
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    (notes, rest)
}

/// Lines of bytes, each with its line feed if it has one.
pub(crate) struct Lines<R>(pub(crate) R);

impl<R: BufRead> Lines<R> {
    /// The next line; one that is longer than [`MAX_LINE`] comes without its end, and nothing can be read after it.
    ///
    /// # Errors
    /// Those of the reader, and for what comes after a line that is too long.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
        std::io::Read::take(&mut self.0, most).read_until(b'\n', &mut line)?;
        if line.len() == MAX_LINE && !line.ends_with(b"\n") {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!("a line has more than {MAX_LINE} bytes"),
            ));
        }
        Ok(Some(line).filter(|line| !line.is_empty()))
    }
}
