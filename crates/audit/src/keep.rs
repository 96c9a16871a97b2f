//! Housekeeping of a trail: sealed segments are compressed, old ones taken away behind a tombstone, holds recorded.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use steeple_clock::Clock;
use tracing::{info, warn};

use crate::folder::{Folder, FolderError, SegmentFile, at};
use crate::holds::{Hold, Holds};
use crate::retention::Retention;
use crate::tail::Lines;
use crate::tombstone::Tombstone;
use crate::verify::{Finding, checkpoint_over};
use crate::{Actor, Audit, AuditError, EventKind, Trail};

/// How often it is looked whether there is something to do.
const PASS: Duration = Duration::from_secs(5);
/// How long nothing is tried after a failure.
const REST: Duration = Duration::from_mins(10);

/// What is done with segments that are full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepSettings {
    /// Folder of the trail.
    pub directory: PathBuf,
    /// Whether they are compressed.
    pub compress: bool,
    /// How long their records are kept; for ever without it.
    pub retention: Option<Retention>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Checkpoint(#[from] Finding),
    #[error("the record of it has no checkpoint yet")]
    Uncovered,
}

/// The one that keeps house.
pub struct Keeper {
    settings: KeepSettings,
    folder: Folder,
    holds: Holds,
    trail: Trail,
    audit: Audit,
    clock: Clock,
    /// Until when the segment with this first record must be kept.
    due: BTreeMap<u64, Timestamp>,
}

impl Keeper {
    /// Keeps house for a trail.
    ///
    /// # Errors
    /// [`FolderError`] when the folder for holds can't be made.
    pub fn new(settings: KeepSettings, trail: Trail, clock: Clock) -> Result<Self, FolderError> {
        let (folder, holds) = (Folder::new(&settings.directory), Holds::of(&settings.directory));
        holds.make()?;
        let audit = Audit::new(Arc::new(trail.clone()));
        Ok(Self { settings, folder, holds, trail, audit, clock, due: BTreeMap::new() })
    }

    /// Looks after the trail until its writer has ended. What it does blocks: it is to be run by a thread of its own.
    pub async fn run(mut self) {
        let mut is_failing = false;
        loop {
            let rest = match self.pass().await {
                Ok(()) => {
                    is_failing = false;
                    PASS
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        warn!(%error, "The audit trail's files are not looked after");
                    }
                    REST
                }
            };
            tokio::select! {
                () = self.trail.ended() => return,
                () = self.clock.sleep(rest) => {}
            }
        }
    }

    /// Does what there is to do.
    async fn pass(&mut self) -> Result<(), KeepError> {
        self.record_holds().await?;
        let segments = self.folder.segments()?;
        let Some((last, sealed)) = segments.split_last() else { return Ok(()) };
        for segment in sealed.iter().filter(|segment| !segment.is_compressed()) {
            if !segment.is_sealed()? {
                Folder::seal(segment)?;
            }
            if self.settings.compress {
                self.folder.compress(segment)?;
            }
        }
        let Some(retention) = self.settings.retention else { return Ok(()) };
        // Anew: some are compressed now.
        let segments = self.folder.segments()?;
        let mut sealed: Vec<SegmentFile> = segments.into_iter().filter(|segment| segment.first < last.first).collect();
        self.due.retain(|first, _| sealed.first().is_some_and(|segment| *first >= segment.first));
        let mut expired = 0;
        for segment in &sealed {
            if self.due(segment, &retention)? > self.clock.now() {
                break;
            }
            expired += 1;
        }
        if expired == 0 || !self.holds.list()?.is_empty() {
            return Ok(());
        }
        let next = sealed.get(expired).map_or(last.first, |segment| segment.first);
        sealed.truncate(expired);
        self.prune(&sealed, next, &retention).await
    }

    /// Until when a segment must be kept: as long as that of its records which is kept the longest.
    fn due(&mut self, segment: &SegmentFile, retention: &Retention) -> Result<Timestamp, FolderError> {
        if let Some(due) = self.due.get(&segment.first) {
            return Ok(*due);
        }
        let mut lines = Lines(segment.open()?);
        let mut due = Timestamp::MIN;
        while let Some(line) = lines.next().map_err(at(&segment.path))? {
            due = due.max(retention.due(&line));
        }
        self.due.insert(segment.first, due);
        Ok(due)
    }

    /// Takes segments away once the record that says so is on disk and covered by a checkpoint.
    async fn prune(&self, segments: &[SegmentFile], until: u64, retention: &Retention) -> Result<(), KeepError> {
        let first = segments.first().map_or(until, |segment| segment.first);
        // A segment whose last record no checkpoint covers exactly goes with the one after it.
        let Some(checkpoint) = checkpoint_over(self.folder.path(), until)? else { return Ok(()) };
        let (root, head, policy) = (checkpoint.tree.root(), checkpoint.head, retention.to_string());
        let tombstone = Tombstone { first, until, root, head, policy };
        let event = EventKind::TrailPruned { tombstone: Box::new(tombstone) };
        let intent = self.audit.record(self.clock.now(), Actor::Server, event).await?;
        if !self.trail.checkpoint().await {
            return Err(KeepError::Uncovered);
        }
        if !self.holds.list()?.is_empty() {
            intent.failed("a hold was set meanwhile").await;
            return Ok(());
        }
        // What is left when this fails goes with the next tombstone.
        self.folder.remove(segments)?;
        info!(first, last = until.saturating_sub(1), "Records of the audit trail were kept long enough and are gone");
        Ok(())
    }

    /// Records what was set and what is to be released.
    async fn record_holds(&self) -> Result<(), KeepError> {
        let actor = |hold: &Hold| Actor::Local { uid: hold.uid, pid: 0 };
        for hold in self.holds.fresh()? {
            let event = EventKind::HoldSet { name: hold.name.clone(), reason: hold.reason.clone() };
            let intent = self.audit.record(self.clock.now(), actor(&hold), event).await?;
            intent.outcome(self.holds.recorded(&hold)).await?;
        }
        for release in self.holds.releases()? {
            let event = EventKind::HoldReleased { name: release.name.clone(), reason: release.reason.clone() };
            let intent = self.audit.record(self.clock.now(), actor(&release), event).await?;
            intent.outcome(self.holds.released(&release)).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "keep/tests.rs"]
mod tests;
