//! Reading a trail while it is written, some records at a time.

use std::io::{self, BufRead, Read};

use tokio::sync::watch;

use crate::folder::{Folder, FolderError, SegmentFile, at};
use crate::record::MAX_LINE;

/// Where in a trail one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Sequence number of the next record.
    next: u64,
    /// The first record of the segment that has it, and how many bytes of it are before; none where that is to be looked for.
    within: Option<(u64, u64)>,
}

impl Place {
    /// Before the record of this sequence number.
    pub fn before(next: u64) -> Self {
        Self { next, within: None }
    }

    /// Sequence number of the next record.
    pub fn next(self) -> u64 {
        self.next
    }
}

/// Records that follow each other.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    /// Their lines, without the line feed.
    pub lines: Vec<Vec<u8>>,
    /// How many before them are not in the trail any more.
    pub gone: u64,
    /// Where the next ones begin.
    pub end: Place,
}

/// Follows a trail: of what its writer has made durable nothing is missing, and nothing else is read.
#[derive(Clone, Debug)]
pub struct Follower {
    folder: Folder,
    durable: watch::Receiver<u64>,
}

impl Follower {
    pub(crate) fn new(folder: Folder, durable: watch::Receiver<u64>) -> Self {
        Self { folder, durable }
    }

    /// How many records are durable.
    pub fn durable(&self) -> u64 {
        *self.durable.borrow()
    }

    /// Waits until there is a record at `place`; says whether there is one, which is not so when the writer has ended before.
    pub async fn wait(&mut self, place: Place) -> bool {
        self.durable.wait_for(|durable| *durable > place.next).await.is_ok() || self.durable() > place.next
    }

    /// Returns when the writer has ended.
    pub(crate) async fn ended(&self) {
        let mut durable = self.durable.clone();
        while durable.changed().await.is_ok() {}
    }

    /// Reads what is durable from `place` on: at least one record if there is one, then no more than `records`, and no more once
    /// they have so many `bytes`. Blocks.
    ///
    /// # Errors
    /// [`FolderError`] when a file can't be read, or has less than was written.
    pub fn read(&self, place: Place, records: usize, bytes: usize) -> Result<Batch, FolderError> {
        let durable = self.durable();
        let mut batch = Batch { lines: Vec::new(), gone: 0, end: place };
        if durable <= place.next {
            return Ok(batch);
        }
        let segments = self.folder.segments()?;
        let from = segments.iter().rposition(|segment| segment.first <= place.next).unwrap_or_default();
        let Some(segment) = segments.get(from) else {
            batch.gone = durable - place.next;
            batch.end = Place::before(durable);
            return Ok(batch);
        };
        if segment.first > place.next {
            batch.gone = segment.first - place.next;
            batch.end = Place::before(segment.first);
        }
        let most = usize::try_from(durable - batch.end.next).unwrap_or(usize::MAX).min(records);
        let (mut left, mut room) = (most, bytes);
        for segment in segments.get(from..).unwrap_or_default() {
            take(segment, &mut batch, &mut left, &mut room).map_err(at(&segment.path))?;
            if left == 0 || room == 0 {
                break;
            }
        }
        if batch.lines.is_empty() && most > 0 {
            let path = &segment.path;
            let error = io::Error::other(format!("record {} is not in it, though it was written", batch.end.next));
            return Err(at(path)(error));
        }
        Ok(batch)
    }
}

/// Adds records of a segment until nothing is left to be taken, or the segment ends.
fn take(segment: &SegmentFile, batch: &mut Batch, left: &mut usize, room: &mut usize) -> io::Result<()> {
    let mut reader = segment.open().map_err(|error| error.error)?;
    let mut offset = match batch.end.within {
        Some((first, offset)) if first == segment.first => {
            io::copy(&mut reader.by_ref().take(offset), &mut io::sink())?;
            offset
        }
        _ => {
            let mut offset = 0;
            for _ in segment.first..batch.end.next {
                match line(&mut reader)? {
                    Some(line) => offset += length(&line),
                    None => return Ok(()),
                }
            }
            offset
        }
    };
    while *left > 0 && *room > 0 {
        let Some(mut line) = line(&mut reader)? else { break };
        offset += length(&line);
        line.pop();
        *left -= 1;
        *room = room.saturating_sub(line.len());
        batch.lines.push(line);
        batch.end = Place { next: batch.end.next + 1, within: Some((segment.first, offset)) };
    }
    Ok(())
}

/// The next line with its line feed; none at the end, and none that is not whole.
fn line(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    reader.by_ref().take(most).read_until(b'\n', &mut line)?;
    Ok(line.ends_with(b"\n").then_some(line))
}

fn length(line: &[u8]) -> u64 {
    u64::try_from(line.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn follower(segments: &[(u64, &str)]) -> (tempfile::TempDir, watch::Sender<u64>, Follower) {
        let folder = tempfile::tempdir().unwrap();
        for (first, text) in segments {
            fs::write(folder.path().join(format!("{first:020}.jsonl")), text).unwrap();
        }
        let (durable, receiver) = watch::channel(0);
        let follower = Follower::new(Folder::new(folder.path()), receiver);
        (folder, durable, follower)
    }

    fn lines(batch: &Batch) -> Vec<&str> {
        batch.lines.iter().map(|line| std::str::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn records_are_read_in_order_over_segments_and_none_that_is_not_durable() {
        let (_folder, durable, follower) = follower(&[(0, "a\nb\nc\n"), (3, "d\ne\nnot yet")]);
        let start = Place::before(0);
        assert_eq!(follower.read(start, 10, 100).unwrap(), Batch { lines: Vec::new(), gone: 0, end: start });
        durable.send_replace(4);
        let first = follower.read(start, 2, 100).unwrap();
        assert_eq!((lines(&first), first.end.next()), (vec!["a", "b"], 2));
        let second = follower.read(first.end, 10, 100).unwrap();
        assert_eq!((lines(&second), second.end.next()), (vec!["c", "d"], 4), "e is not durable");
        durable.send_replace(5);
        assert_eq!(lines(&follower.read(second.end, 10, 100).unwrap()), ["e"]);
        assert_eq!(lines(&follower.read(Place::before(1), 10, 1).unwrap()), ["b"], "one at least, whatever the room");
        durable.send_replace(6);
        let error = follower.read(Place::before(5), 10, 100).unwrap_err().to_string();
        assert!(error.ends_with("record 5 is not in it, though it was written"), "{error}");
    }

    #[test]
    fn records_that_were_taken_away_are_counted() {
        let (folder, durable, follower) = follower(&[(3, "d\n"), (4, "e\n")]);
        durable.send_replace(5);
        let batch = follower.read(Place::before(1), 10, 100).unwrap();
        assert_eq!((lines(&batch), batch.gone, batch.end.next()), (vec!["d", "e"], 2, 5));
        for segment in Folder::new(folder.path()).segments().unwrap() {
            fs::remove_file(segment.path).unwrap();
        }
        let batch = follower.read(Place::before(1), 10, 100).unwrap();
        assert_eq!((batch.lines.len(), batch.gone, batch.end.next()), (0, 4, 5));
    }

    #[tokio::test]
    async fn end_of_the_writer_is_seen_once_all_is_read() {
        let (_folder, durable, mut follower) = follower(&[(0, "a\n")]);
        durable.send_replace(1);
        drop(durable);
        assert!(follower.wait(Place::before(0)).await);
        assert!(!follower.wait(Place::before(1)).await);
    }
}
