//! The agent's main loop: it keeps its own SVID, what it knows of entries and bundles, and the workloads' SVIDs fresh.

mod membership;
mod refresh;
mod taints;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use steeple_client::describe_with_causes;
use steeple_crypto::random;
use steeple_explain::Trouble;
use steeple_plugin::{AgentNodeAttestor, KeyManager};
use steeple_runtime::{Backoff, Shutdown};
use tonic::{Code, Status};
use tracing::{debug, error};

use crate::core::Core;
use crate::join::denial_reason;
use crate::server::is_unknown_authority;
use crate::settings::RebootstrapMode;
use crate::state::{Memory, Remembered};
use crate::svid::BATCH;

use self::taints::Taints;

/// Longest pause after failures of synchronising.
const MAX_PAUSE: Duration = Duration::from_mins(8);
/// Longest pause after failures of attesting, once there is no SVID any more.
const MAX_ATTEST_PAUSE: Duration = Duration::from_mins(2);
/// Longest pause after failures of fetching SVIDs.
const MAX_SVID_PAUSE: Duration = Duration::from_mins(4);
/// How often the server is asked for entries while somebody waits for one.
const HURRY: Duration = Duration::from_millis(500);
/// How often SVIDs are looked at, the agent's own and those of workloads.
const LOOK: Duration = Duration::from_secs(5);

/// Why an agent had to stop.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Ended {
    /// It could not attest.
    #[error("{0}")]
    Join(String),
    /// The server banned it: what it answered, as SPIRE tells it.
    #[error("{0}")]
    Banned(String),
    /// It must attest anew, and its attestor can't.
    #[error("agent must attest again, which its node attestor can't: {0}")]
    MustAttest(String),
    /// It shall be able to begin anew, and can't attest again.
    #[error(
        "you have requested rebootstrap support but the NodeAttestor plugin or the spire server configuration is not \
         allowing it"
    )]
    CannotRebootstrap,
    /// Its memory can't be written.
    #[error("unable to store the agent's data: {0}")]
    Memory(String),
}

/// What the loop works with.
pub(crate) struct Manager {
    core: Arc<Core>,
    memory: Memory,
    /// What is in the memory.
    remembered: Remembered,
    keys: Arc<dyn KeyManager>,
    attestor: Arc<dyn AgentNodeAttestor>,
    /// What becomes of a server of an unknown authority, as far as the agent is able to.
    rebootstrap: RebootstrapMode,
    /// Whether a server has taken the place of another, of which SVIDs are still there.
    begun_anew: bool,
    /// The key of the SVID that is stored, which a new one must not take the place of.
    key_in_use: Option<String>,
    version_posted: bool,
    taints: Taints,
    /// Attestation of an agent that has no SVID any more.
    attesting: Pace,
    sync: Pace,
    svids: Pace,
    /// How many SVIDs are asked for in a call.
    batch: usize,
}

/// When something is to be done next: in even steps while it works, in growing ones while it does not.
struct Pace {
    interval: Duration,
    backoff: Backoff,
    next: Timestamp,
    /// The last time, if it worked.
    last: Option<Timestamp>,
}

impl Pace {
    fn new(interval: Duration, first: Duration, longest: Duration, now: Timestamp) -> Self {
        Self { interval, backoff: Backoff::new(first, 1.5, longest), next: now, last: None }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.next <= now
    }

    fn done(&mut self, now: Timestamp) {
        self.backoff.reset();
        self.next = now + self.interval;
        self.last = Some(now);
    }

    /// Yields the pause.
    fn failed(&mut self, now: Timestamp) -> Duration {
        let pause = self.backoff.pause(random::fraction());
        self.next = now + pause;
        self.last = None;
        pause
    }

    /// Begins anew, in a step of at most `longest`.
    fn begin_anew(&mut self, now: Timestamp, longest: Duration) {
        self.backoff.reset();
        self.next = now + self.interval.min(longest);
        self.last = None;
    }

    /// Brings the next time forward to `pause` after the last one, unless that failed.
    fn hurry(&mut self, pause: Duration) {
        if let Some(last) = self.last {
            self.next = self.next.min(last + pause);
        }
    }

    /// Whether the last time failed, and the pause after it still lasts.
    fn is_held(&self, now: Timestamp, failing: bool) -> bool {
        failing && self.next > now
    }
}

impl Manager {
    pub(crate) fn new(
        core: Arc<Core>,
        memory: Memory,
        remembered: Remembered,
        keys: Arc<dyn KeyManager>,
        attestor: Arc<dyn AgentNodeAttestor>,
    ) -> Self {
        let (interval, now) = (core.settings.sync_interval, core.clock.now());
        let sync = Pace::new(interval, interval, MAX_PAUSE.min(interval * 48), now);
        let svids = Pace::new(LOOK, Duration::from_millis(500), MAX_SVID_PAUSE, now);
        let attesting = Pace::new(LOOK, LOOK, MAX_ATTEST_PAUSE, now);
        Self {
            rebootstrap: core.settings.rebootstrap.mode,
            core,
            memory,
            remembered,
            keys,
            attestor,
            begun_anew: false,
            key_in_use: None,
            version_posted: false,
            taints: Taints::default(),
            attesting,
            sync,
            svids,
            batch: BATCH,
        }
    }

    /// Keeps everything fresh until the shutdown.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), Ended> {
        let mut failing = false;
        let mut waiting = self.core.waiting.subscribe();
        loop {
            self.hurry();
            let round = shutdown.until(Box::pin(self.round(&mut failing))).await;
            let Some(outcome) = round else { break };
            outcome?;
            let hurried = self.hurry();
            let next = self.next();
            self.core.progress.send_modify(|progress| progress.rounds += 1);
            tokio::select! {
                () = shutdown.triggered() => break,
                () = self.core.clock.sleep_until(next) => {}
                () = self.core.cache.wanted(), if !self.svids.is_held(self.core.clock.now(), failing) => {
                    self.svids.next = self.core.clock.now();
                }
                _ = waiting.wait_for(|waiting| *waiting > 0), if !hurried => {}
            }
        }
        debug!(subsystem_name = "manager", "Stopping SVID rotator");
        Ok(())
    }

    /// Has the server asked for entries sooner while somebody waits for one; yields whether somebody does.
    fn hurry(&mut self) -> bool {
        let hurried = *self.core.waiting.borrow() > 0;
        if hurried {
            self.sync.hurry(HURRY);
        }
        hurried
    }

    /// When there is something to do again.
    fn next(&self) -> Timestamp {
        let look = self.core.clock.now() + LOOK;
        let expiry = self.core.cache.first_expiry().unwrap_or(look);
        let due = match self.core.tls.svid() {
            Some(_) => self.sync.next.min(self.svids.next),
            None => self.attesting.next,
        };
        due.min(look).min(expiry)
    }

    /// Does what is due.
    async fn round(&mut self, failing: &mut bool) -> Result<(), Ended> {
        // SVIDs that have expired go, also when nothing can be renewed.
        self.core.cache.put(Vec::new(), self.core.clock.now());
        if self.core.tls.svid().is_none() {
            self.join_again().await?;
        } else if let Err(status) = self.keep_membership().await {
            self.answer(&status, &describe_with_causes(&status)).await?;
        }
        if self.is_member() && self.sync.is_due(self.core.clock.now()) {
            match self.synchronise().await {
                Ok(()) => {
                    let now = self.core.clock.now();
                    self.core.troubles.synchronised(None);
                    self.sync.done(now);
                    // What came with new entries is fetched at once, unless fetching fails at the moment.
                    if !*failing {
                        self.svids.next = now;
                    }
                    self.core.progress.send_modify(|progress| progress.synced = Some(now));
                }
                Err(status) => self.not_synchronised(&status).await?,
            }
        }
        if self.is_member() && self.svids.is_due(self.core.clock.now()) {
            self.look_for_tainted();
            let outcome = self.renew_svids().await;
            let now = self.core.clock.now();
            *failing = outcome.is_err();
            match outcome {
                Ok(()) => {
                    self.core.troubles.fetched(None);
                    self.svids.done(now);
                }
                Err(status) => {
                    self.svids.failed(now);
                    let error = describe_with_causes(&status);
                    self.core.troubles.fetched(Some(Trouble { at: now, text: error.clone() }));
                    error!(error, subsystem_name = "manager", "SVID sync failed");
                    self.answer(&status, &error).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether there is an SVID to show the server; without one there is nothing to ask it for.
    fn is_member(&self) -> bool {
        self.core.tls.svid().is_some()
    }

    /// What follows from a failure to synchronise.
    async fn not_synchronised(&mut self, status: &Status) -> Result<(), Ended> {
        let now = self.core.clock.now();
        let error = describe_with_causes(status);
        self.core.troubles.synchronised(Some(Trouble { at: now, text: error.clone() }));
        error!(error, subsystem_name = "manager", "Failed to fetch authorized entries");
        let error = format!("failed to fetch authorized entries: {error}");
        if is_unknown_authority(status) && self.rebootstrap != RebootstrapMode::Never {
            self.sync.begin_anew(now, LOOK);
            self.core.server.renew();
            return self.server_is_unknown().or_else(|reason| {
                error!(error = %reason, subsystem_name = "manager", "Synchronize failed");
                Ok(())
            });
        }
        self.sync.failed(now);
        error!(error, subsystem_name = "manager", "Synchronize failed");
        self.answer(status, &error).await
    }

    /// What a failed call means for the agent: nothing yet, attest again, or stop. `error` tells of it in the log.
    async fn answer(&mut self, status: &Status, error: &str) -> Result<(), Ended> {
        if let Some(reason) = denial_reason(status) {
            return self.denied(reason, error).await;
        }
        // A connection that failed is made anew.
        if matches!(status.code(), Code::Unavailable | Code::Unknown | Code::DeadlineExceeded) {
            self.core.server.renew();
        }
        Ok(())
    }
}
