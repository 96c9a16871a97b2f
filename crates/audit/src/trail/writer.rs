//! The one that writes a trail.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use jiff::Timestamp;
use steeple_clock::Clock;
use steeple_crypto::keys::Ed25519Key;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use super::queue::{Asked, Queue, Waiting};
use super::{TrailError, TrailSettings};
use crate::AuditError;
use crate::checkpoint::{Checkpoint, origin};
use crate::folder::{Folder, FolderError, SegmentFile, at};
use crate::merkle::{Frontier, leaf};
use crate::record::Chain;
use crate::tail::{LastSegment, Tail};

/// Writes the events of a trail, in groups that become durable together.
pub struct Writer {
    settings: TrailSettings,
    clock: Clock,
    folder: Folder,
    /// Held as long as the trail is written.
    _lock: File,
    key: Ed25519Key,
    chain: Chain,
    tree: Frontier,
    /// How many records the last checkpoint covers.
    covered: u64,
    segment: Segment,
    queue: Queue,
    /// How many records are durable, for those who follow.
    durable: watch::Sender<u64>,
    /// When there must be a checkpoint, by the monotonic clock; there is nothing to cover if it is none.
    due: Option<Duration>,
    /// Whether the last group could not be written.
    is_failing: bool,
}

struct Segment {
    at: SegmentFile,
    file: File,
    /// How many of its bytes are records.
    length: u64,
    begun: Timestamp,
    /// Whether what is on disk after a failure is unknown, so that nothing more may be written into it.
    is_doubtful: bool,
}

impl Writer {
    pub(super) fn new(
        settings: TrailSettings,
        clock: Clock,
        (folder, lock): (Folder, File),
        key: Ed25519Key,
        chain: Chain,
        tail: Tail,
        (queue, durable): (Queue, watch::Sender<u64>),
    ) -> Result<Self, TrailError> {
        let now = clock.now();
        let segment = match tail.segment {
            Some(LastSegment { at: segment, length, begun }) => {
                let file = Folder::resume_segment(&segment)?;
                if tail.torn > 0 {
                    let bytes = tail.torn;
                    warn!(bytes, "The last write to the audit trail was cut short; nobody was told that it is durable");
                    file.set_len(length).and_then(|()| file.sync_all()).map_err(at(&segment.path))?;
                }
                Segment { at: segment, file, length, begun: begun.unwrap_or(now), is_doubtful: false }
            }
            None => Segment::begin(&folder, chain.next, now)?,
        };
        let (tree, covered) = (tail.tree, tail.covered);
        Ok(Self {
            settings,
            clock,
            folder,
            _lock: lock,
            key,
            chain,
            tree,
            covered,
            segment,
            queue,
            durable,
            due: None,
            is_failing: false,
        })
    }

    /// Writes until it is told to end or nobody can record any more, and makes a last checkpoint. Blocks; `runtime` is where the
    /// clock's sleeps run.
    pub fn run(mut self, runtime: &Handle) {
        while let Some(woken) = runtime.block_on(self.wait()) {
            match woken {
                Woken::Time => self.checkpoint(),
                Woken::Asked(asked) => {
                    let (group, checkpoints, is_end) = group(asked);
                    self.write(group);
                    for answer in checkpoints {
                        self.checkpoint();
                        // Who doesn't wait any more needs no answer.
                        let _ = answer.send(self.covered >= self.tree.size());
                    }
                    if is_end {
                        break;
                    }
                }
            }
        }
        self.checkpoint();
    }

    /// Waits until something is asked, or it is time for a checkpoint; nothing comes after the end.
    async fn wait(&mut self) -> Option<Woken> {
        let sleep = async {
            match self.due {
                Some(due) => self.clock.sleep(due.saturating_sub(self.clock.monotonic())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            asked = self.queue.next() => asked.map(Woken::Asked),
            () = sleep => Some(Woken::Time),
        }
    }

    /// Makes a group durable, all of it or nothing, and tells those who wait.
    fn write(&mut self, group: Vec<Waiting>) {
        if group.is_empty() {
            return;
        }
        let before = (self.chain.next, self.chain.head, self.tree.clone());
        let ready = self.go_on();
        let (group, lines) = if ready.is_ok() { self.seal(group) } else { (group, Vec::new()) };
        if group.is_empty() {
            return;
        }
        let written = ready.and_then(|()| self.segment.append(&lines).map_err(failed));
        match &written {
            Ok(()) if self.is_failing => info!("The audit trail can be written again"),
            Err(error) if !self.is_failing => {
                error!(%error, "The audit trail can't be written; nothing is issued and nothing changed until it can");
            }
            _ => {}
        }
        self.is_failing = written.is_err();
        if written.is_err() {
            (self.chain.next, self.chain.head, self.tree) = before;
        } else {
            self.durable.send_replace(self.chain.next);
        }
        for waiting in group {
            // Who doesn't wait any more has given up what he was about to do.
            let _ = waiting.answer.send(written.clone());
        }
        let now = self.clock.monotonic();
        let due = *self.due.get_or_insert(now.saturating_add(self.settings.checkpoint_interval));
        let is_many = self.tree.size() >= self.covered.saturating_add(self.settings.checkpoint_records);
        if is_many || now >= due {
            self.checkpoint();
        }
    }

    /// The lines of a group, and those of it who still wait: whose event has no line is told so, and nobody else.
    fn seal(&mut self, group: Vec<Waiting>) -> (Vec<Waiting>, Vec<u8>) {
        let (mut still, mut lines, mut leaves) = (Vec::with_capacity(group.len()), Vec::new(), Vec::new());
        for waiting in group {
            let before = (self.chain.next, self.chain.head, lines.len());
            leaves.clear();
            let sealed = waiting.forms.iter().try_for_each(|parts| {
                leaves.push(leaf(self.chain.seal(parts, &mut lines)?));
                lines.push(b'\n');
                Ok::<(), AuditError>(())
            });
            match sealed {
                Ok(()) => {
                    leaves.drain(..).for_each(|leaf| self.tree.push(leaf));
                    still.push(waiting);
                }
                Err(error) => {
                    (self.chain.next, self.chain.head) = (before.0, before.1);
                    lines.truncate(before.2);
                    let _ = waiting.answer.send(Err(error));
                }
            }
        }
        (still, lines)
    }

    /// Begins another segment when the last one is large or old, or what it holds is in doubt.
    fn go_on(&mut self) -> Result<(), AuditError> {
        let now = self.clock.now();
        let age = Duration::try_from(now.duration_since(self.segment.begun)).unwrap_or_default();
        let is_full = self.segment.length >= self.settings.max_segment_size || age >= self.settings.max_segment_age;
        let is_empty = self.segment.length == 0;
        if self.segment.is_doubtful {
            self.segment.cut().map_err(failed)?;
        }
        if is_empty || !(is_full || self.segment.is_doubtful) {
            self.segment.is_doubtful = false;
            return Ok(());
        }
        let next = Segment::begin(&self.folder, self.chain.next, now).map_err(failed)?;
        let last = std::mem::replace(&mut self.segment, next);
        self.checkpoint();
        if let Err(error) = Folder::seal(&last.at) {
            warn!(%error, "A segment of the audit trail stays writable");
        }
        Ok(())
    }

    /// Signs the state of the trail. One that can't be written is tried again at the next.
    fn checkpoint(&mut self) {
        let (Some(head), true) = (self.chain.head, self.tree.size() > self.covered) else { return };
        let checkpoint = Checkpoint { tree: self.tree.clone(), head, at: self.clock.now() };
        let note = checkpoint.sign(&origin(&self.settings.trust_domain, &self.chain.uid), &self.key);
        match self.folder.add_checkpoint(&note) {
            Ok(()) => (self.covered, self.due) = (self.tree.size(), None),
            Err(error) => {
                warn!(%error, "A checkpoint of the audit trail can't be written");
                self.due = Some(self.clock.monotonic().saturating_add(self.settings.checkpoint_interval));
            }
        }
    }
}

#[cfg(test)]
impl Writer {
    /// Writes into another file from now on; yields the one before.
    pub(super) fn swap_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.segment.file, file)
    }

    pub(super) fn write_for_test(&mut self, group: Vec<Waiting>) {
        self.write(group);
    }
}

enum Woken {
    Asked(Vec<Asked>),
    Time,
}

/// Those who wait for their records and for checkpoints, and whether it is the end; who comes after it is refused, since nobody
/// answers him.
fn group(asked: Vec<Asked>) -> (Vec<Waiting>, Vec<oneshot::Sender<bool>>, bool) {
    let (mut group, mut checkpoints) = (Vec::with_capacity(asked.len()), Vec::new());
    for asked in asked {
        match asked {
            Asked::Record(waiting) => group.push(waiting),
            Asked::Checkpoint(answer) => checkpoints.push(answer),
            Asked::End => return (group, checkpoints, true),
        }
    }
    (group, checkpoints, false)
}

impl Segment {
    fn begin(folder: &Folder, first: u64, begun: Timestamp) -> Result<Self, FolderError> {
        let (file, at) = folder.begin_segment(first)?;
        Ok(Self { at, file, length: 0, begun, is_doubtful: false })
    }

    /// Adds lines, durably. After a failure the file is as it was, or doubtful.
    fn append(&mut self, lines: &[u8]) -> Result<(), FolderError> {
        let written = self.file.write_all_at(lines, self.length).and_then(|()| {
            // A sync that fails may have lost what the next one says is there.
            self.file.sync_data().inspect_err(|_| self.is_doubtful = true)
        });
        match written {
            Ok(()) => {
                self.length += u64::try_from(lines.len()).unwrap_or(u64::MAX);
                Ok(())
            }
            Err(error) => {
                self.is_doubtful |= self.cut().is_err();
                Err(at(&self.at.path)(error))
            }
        }
    }

    /// Takes away what is not a record.
    fn cut(&mut self) -> Result<(), FolderError> {
        self.file.set_len(self.length).map_err(at(&self.at.path))
    }
}

fn failed(error: FolderError) -> AuditError {
    let FolderError { path, error } = error;
    let way_out = if error.kind() == std::io::ErrorKind::StorageFull {
        "; make space there, and it goes on by itself"
    } else {
        ""
    };
    AuditError(format!("{}: {error}{way_out}", path.display()))
}
