//! Fetches the bundles of federated trust domains: at the start, when a relationship changes, and as often as the bundles'
//! refresh hints ask for.

mod managed;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use steeple_audit::Actor;
use steeple_runtime::Shutdown;
use steeple_store::{Change, ChangeKind, StoreError};
use steeple_types::{Revision, TrustDomain};
use tokio::sync::Semaphore;
use tonic::Code;
use tracing::{debug, error, info};

use self::managed::{Due, Managed};
use crate::core::Core;
use crate::federation::Attempt;
use crate::federation::interval::interval;

const SUBSYSTEM: &str = "bundle_client";
/// How often relationships are read anew, since other servers write them too.
const RELOAD: Duration = Duration::from_secs(10);
/// Endpoints asked at the same time.
const AT_ONCE: usize = 32;
/// Most changes that are looked at; of more, all relationships are read.
const MAX_CHANGES: usize = 1_000;

pub(crate) async fn refresh_bundles(core: Arc<Core>, shutdown: Shutdown) -> Result<(), String> {
    let mut job = Job {
        places: Arc::new(Semaphore::new(AT_ONCE)),
        managed: Managed::default(),
        attempts: FuturesUnordered::new(),
        position: Revision::default(),
        reload_at: Duration::ZERO,
        shutdown: shutdown.clone(),
        core: Arc::clone(&core),
    };
    let mut revisions = core.store.revisions();
    loop {
        if core.clock.monotonic() >= job.reload_at {
            job.reload().await;
        }
        job.start_due();
        let next = job.managed.next().map_or(job.reload_at, |due| due.min(job.reload_at));
        let pause = next.saturating_sub(core.clock.monotonic());
        tokio::select! {
            biased;
            () = shutdown.triggered() => break,
            Some(ended) = job.attempts.next(), if !job.attempts.is_empty() => job.settle(ended),
            Ok(()) = revisions.changed() => job.look_at_changes().await,
            () = core.clock.sleep(pause) => {}
        }
    }
    for trust_domain in job.managed.names() {
        info!(trust_domain = %trust_domain, subsystem_name = SUBSYSTEM, "No longer polling for updates");
    }
    info!(subsystem_name = SUBSYSTEM, "Shutting down");
    Ok(())
}

struct Job {
    core: Arc<Core>,
    managed: Managed,
    attempts: FuturesUnordered<BoxFuture<'static, Ended>>,
    places: Arc<Semaphore>,
    /// Up to where changes of the datastore were looked at.
    position: Revision,
    reload_at: Duration,
    shutdown: Shutdown,
}

/// An attempt that has ended; without one where the relationship has gone or changed before.
struct Ended {
    of: Due,
    attempt: Option<(Attempt, Duration)>,
}

impl Job {
    async fn reload(&mut self) {
        let now = self.core.clock.monotonic();
        self.reload_at = now + RELOAD;
        match self.core.federation.relationships().await {
            Ok((relationships, revision)) => {
                self.position = self.position.max(revision);
                self.managed.reconcile(relationships, now, &self.shutdown);
                self.core.measures.bundles_failing(self.managed.failing());
            }
            Err(error) => error!(%error, subsystem_name = SUBSYSTEM, "Failed to reload configs"),
        }
    }

    /// Reads relationships anew when one has changed, and tries again at once what may have failed for want of a bundle.
    async fn look_at_changes(&mut self) {
        match changes(&self.core, self.position).await {
            Ok(changes) => {
                let is_relationship = |change: &Change| change.kind == ChangeKind::Relationship;
                if changes.len() >= MAX_CHANGES || changes.iter().any(is_relationship) {
                    self.reload_at = Duration::ZERO;
                }
                self.position = changes.last().map_or(self.position, |last| last.revision.max(self.position));
                let bundles = changes.iter().filter(|change| change.kind == ChangeKind::Bundle);
                let now = self.core.clock.monotonic();
                for name in bundles.filter_map(|change| TrustDomain::from_name(&change.key).ok()) {
                    self.managed.bundle_has_changed(&name, now);
                }
            }
            Err(error) => error!(%error, subsystem_name = SUBSYSTEM, "Failed to read changes"),
        }
    }

    fn start_due(&mut self) {
        for due in self.managed.take_due(self.core.clock.monotonic()) {
            debug!(trust_domain = %due.name(), subsystem_name = SUBSYSTEM, "Polling for bundle update");
            let (core, places) = (Arc::clone(&self.core), Arc::clone(&self.places));
            self.attempts.push(Box::pin(async move {
                let attempt = due.stop.until(async {
                    // Never closed, so a place comes.
                    let _place = places.acquire().await;
                    let began = core.clock.monotonic();
                    let attempt = core.federation.refresh(&due.relationship, Actor::Server).await;
                    (attempt, core.clock.monotonic().saturating_sub(began))
                });
                let attempt = attempt.await;
                Ended { of: due, attempt }
            }));
        }
    }

    fn settle(&mut self, ended: Ended) {
        let Ended { of, attempt: Some((attempt, elapsed)) } = ended else { return };
        let name = of.name();
        let labels = [("trust_domain_id", name.to_string())];
        let code = if attempt.outcome.is_ok() { Code::Ok } else { Code::Unknown };
        self.core.metrics.job("bundle_manager_fetch_federated_bundle", &labels, code, elapsed);
        match &attempt.outcome {
            Ok(true) => {
                self.core.metrics.count("bundle_manager_update_federated_bundle", &labels);
                info!(trust_domain = %name, subsystem_name = SUBSYSTEM, "Bundle refreshed");
            }
            Ok(false) => {}
            Err(error) => error!(%error, trust_domain = %name, subsystem_name = SUBSYSTEM, "Error updating bundle"),
        }
        let has_failed = attempt.outcome.is_err();
        let pause = interval(attempt.refresh_hint, has_failed);
        let at = (self.core.clock.now() + pause).strftime("%Y-%m-%dT%H:%M:%SZ");
        debug!(%at, trust_domain = %name, subsystem_name = SUBSYSTEM, "Scheduling next bundle refresh");
        self.managed.put_back(&of, self.core.clock.monotonic() + pause, has_failed);
        self.core.measures.bundle_refreshed(!has_failed);
        self.core.measures.bundles_failing(self.managed.failing());
    }
}

async fn changes(core: &Core, after: Revision) -> Result<Vec<Change>, StoreError> {
    core.store.read("registration_entry_event.list", move |tx| tx.changes_after(after, MAX_CHANGES)).await
}
