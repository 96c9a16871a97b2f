//! Follows what other servers write into the datastore: those of ours by the change log, SPIRE's by their events, which are
//! imported into the change log, so that all followers see one order of changes.

use std::sync::Arc;
use std::time::Duration;

use steeple_runtime::Shutdown;
use steeple_store::units::ImportEvents;
use steeple_store::{EventFollower, FoundEvents, StoreError};
use steeple_types::{Revision, TrustDomain};
use tracing::{debug, error, info, warn};

use crate::core::Core;
use crate::entries::Checked;
use crate::states::States;

/// How often the datastore is asked for what is new.
const INTERVAL: Duration = Duration::from_millis(250);
/// How often it is looked for bundles that are gone.
const BUNDLES: Duration = Duration::from_secs(10);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// What the job works with.
pub(crate) struct FollowChanges {
    core: Arc<Core>,
    events: EventFollower,
    states: States,
    /// The revision that was seen last.
    seen: Revision,
    /// When bundles are looked for, on the monotonic clock.
    bundles_at: Duration,
    /// When everything is read anew.
    reload_at: Duration,
    is_failing: bool,
    /// Whether the datastore was behind what was seen of it, which is told once.
    is_behind: bool,
}

/// What a look has shown.
struct Seen {
    revision: Revision,
    found: FoundEvents,
    /// The trust domains that have bundles, if these were looked for.
    bundles: Option<Vec<TrustDomain>>,
}

/// Looks four times a second.
pub(crate) async fn follow_changes(mut job: FollowChanges, shutdown: Shutdown) -> Result<(), String> {
    while let Some(pause) = shutdown.until(job.turn()).await {
        if shutdown.until(job.core.clock.sleep(pause)).await.is_none() {
            break;
        }
    }
    Ok(())
}

impl FollowChanges {
    /// Goes on from `events`, which is where the index of `core` began.
    pub(crate) fn new(core: Arc<Core>, events: EventFollower, states: States) -> Self {
        let reload_at = core.clock.monotonic() + core.settings.following.full_reload_interval;
        let (seen, bundles_at) = (Revision::default(), Duration::ZERO);
        Self { core, events, states, seen, bundles_at, reload_at, is_failing: false, is_behind: false }
    }

    /// Looks once; yields how long to wait.
    async fn turn(&mut self) -> Duration {
        let outcome = self.look().await;
        let was_failing = std::mem::replace(&mut self.is_failing, outcome.is_err());
        match outcome {
            Ok(pause) => {
                if was_failing {
                    info!("Changes of the datastore are followed again");
                }
                pause
            }
            Err(error) => {
                // One line for a database that is away, however long that takes.
                if was_failing {
                    debug!(%error, "Unable to follow changes of the datastore");
                } else {
                    error!(%error, "Unable to follow changes of the datastore; what is known stays in use");
                }
                RETRY
            }
        }
    }

    async fn look(&mut self) -> Result<Duration, StoreError> {
        let core = Arc::clone(&self.core);
        let (known, now) = (*core.store.revisions().borrow(), core.clock.monotonic());
        let Seen { revision, found, bundles } = self.read(now).await?;
        self.tell_if_behind(revision, known);
        core.store.has_come_to(revision);
        let foreign = found.not_logged();
        if !foreign.is_empty() {
            debug!(count = foreign.len(), "Importing events of SPIRE servers");
            core.store.write(ImportEvents { events: foreign }).await?;
        }
        if self.events.take(&found, now) {
            // What turns up in a gap that was given up is found by reading everything once no transaction can be that old.
            warn!("Too many events of SPIRE servers are missing; everything will be read anew after the event timeout");
            self.reload_at = self.reload_at.min(now + core.settings.following.event_timeout);
        }
        core.entries.refresh().await?;
        if let Some(bundles) = bundles {
            self.bundles_at = now + BUNDLES;
            // A SPIRE server that deletes a bundle leaves no events of the entries that it deletes or changes with it.
            if core.entries.federates_beyond(&bundles, revision) {
                self.reload_at = now;
            }
        }
        if now >= self.reload_at {
            self.reload().await?;
        }
        let is_at_rest = std::mem::replace(&mut self.seen, revision) == revision && found.is_all;
        if is_at_rest && self.states.step(&core).await? {
            self.reload().await?;
        }
        Ok(if found.is_all { INTERVAL } else { Duration::ZERO })
    }

    /// Reads what is new, and sometimes which bundles there are.
    async fn read(&self, now: Duration) -> Result<Seen, StoreError> {
        let (question, reads_bundles) = (self.events.question(now), now >= self.bundles_at);
        let read = self.core.store.read("registration_entry_event.list", move |tx| {
            let bundles = if reads_bundles { Some(tx.bundle_names()?) } else { None };
            Ok(Seen { revision: tx.last_revision()?, found: question.ask(tx)?, bundles })
        });
        read.await
    }

    fn tell_if_behind(&mut self, revision: Revision, known: Revision) {
        if revision < known && !std::mem::replace(&mut self.is_behind, true) {
            let text = "Datastore is behind what this server has seen of it; if it was brought back from a backup, start all \
                        servers anew";
            error!(%revision, %known, "{text}");
        }
    }

    /// Reads everything anew.
    async fn reload(&mut self) -> Result<(), StoreError> {
        let core = &self.core;
        let checked = core.entries.check(self.events.last()).await?;
        self.reload_at = core.clock.monotonic() + core.settings.following.full_reload_interval;
        match checked {
            Checked::Same => debug!("Index of entries and nodes is that of the datastore"),
            Checked::MovedOn => debug!("Index of entries and nodes was filled anew"),
            Checked::Differed => {
                core.metrics.count("steeple_index_differed", &[]);
                error!("Index of entries and nodes was not that of the datastore; it was filled anew");
            }
        }
        Ok(())
    }
}
