//! What is looked at every five seconds: datastore, authorities, disk, clock.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use steeple_ca::{AuthorityKind, AuthorityStates, Status};
use steeple_crypto::x509::Certificate;
use steeple_runtime::Shutdown;
use steeple_sinks::State;
use steeple_telemetry::native::{Counter, Gauge, Native};
use steeple_types::Bundle;
use tokio::sync::watch;

use super::{catalogue, figure};
use crate::core::Core;

const INTERVAL: Duration = Duration::from_secs(5);
/// By how much the time may go otherwise than it passes: a second of leap, and some slewing.
const JUMP: Duration = Duration::from_secs(5);

/// Looks until the shutdown; `rotation` tells how many times in a row the rotation of authorities has failed.
pub(crate) async fn observe(core: Arc<Core>, rotation: watch::Receiver<u32>, shutdown: Shutdown) -> Result<(), String> {
    let native = &core.measures.native;
    native.gauge(&catalogue::AUTHORITY_LIFETIME, &[]).set(core.settings.ca_ttl.as_secs_f64());
    let up = native.gauge(&catalogue::DATASTORE_UP, &[]);
    let duration = native.histogram(&catalogue::DATASTORE_DURATION, &[]);
    let failures = native.gauge(&catalogue::ROTATION_FAILURES, &[]);
    let (entries, agents) = (native.gauge(&catalogue::ENTRIES, &[]), native.gauge(&catalogue::AGENTS, &[]));
    let disk_free = native.gauge(&catalogue::AUDIT_DISK_FREE, &[]);
    let jumps = native.counter(&catalogue::CLOCK_JUMPS, &[]);
    let [x509, jwt] = ["x509", "jwt"].map(|kind| Authorities::new(&core, kind));
    let sinks: Vec<Sink> = core.sinks.iter().map(|state| Sink::new(native, state)).collect();
    let mut before = (core.clock.now(), core.clock.monotonic());
    loop {
        let began = core.clock.monotonic();
        let name = core.trust_domain().clone();
        let bundle = core.store.read("bundle.fetch", move |tx| tx.bundle(&name)).await;
        up.set(f64::from(bundle.is_ok()));
        duration.record(core.clock.monotonic().saturating_sub(began));
        let bundle = bundle.ok().flatten();
        x509.tell(&core.authorities.states(AuthorityKind::X509), is_x509_in(&core, bundle.as_ref()));
        jwt.tell(&core.authorities.states(AuthorityKind::Jwt), is_jwt_in(&core, bundle.as_ref()));
        if let Ok((known_entries, known_agents)) =
            core.entries.read(|index| (index.entry_count(), index.node_count())).await
        {
            entries.set(figure(known_entries));
            agents.set(figure(known_agents));
        }
        failures.set(f64::from(*rotation.borrow()));
        for sink in &sinks {
            sink.tell(core.clock.now());
        }
        disk_free.set(core.settings.audit_directory.as_deref().map_or(1.0, free_ratio));
        let now = (core.clock.now(), core.clock.monotonic());
        if has_jumped(before, now) {
            jumps.increment(1);
        }
        before = now;
        native.sum_up();
        if shutdown.until(core.clock.sleep(INTERVAL)).await.is_none() {
            return Ok(());
        }
    }
}

/// Metrics of a sink of the audit trail.
struct Sink {
    state: Arc<State>,
    up: Gauge,
    waiting: Gauge,
    lag: Gauge,
    delivered: Counter,
    failures: Counter,
    lost: Counter,
}

impl Sink {
    fn new(native: &Native, state: &Arc<State>) -> Self {
        let labels = [("sink", state.name())];
        Self {
            up: native.gauge(&catalogue::SINK_UP, &labels),
            waiting: native.gauge(&catalogue::SINK_WAITING, &labels),
            lag: native.gauge(&catalogue::SINK_LAG, &labels),
            delivered: native.counter(&catalogue::SINK_DELIVERED, &labels),
            failures: native.counter(&catalogue::SINK_FAILURES, &labels),
            lost: native.counter(&catalogue::SINK_LOST, &labels),
            state: Arc::clone(state),
        }
    }

    fn tell(&self, now: Timestamp) {
        let report = self.state.report(now);
        self.up.set(f64::from(report.is_up));
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        self.waiting.set(report.waiting as f64);
        self.lag.set(report.lag.as_secs_f64());
        self.delivered.absolute(report.delivered);
        self.failures.absolute(report.failures);
        self.lost.absolute(report.lost);
    }
}

/// Gauges of the authorities of one kind.
struct Authorities {
    not_after: Gauge,
    prepared: Gauge,
    in_bundle: Gauge,
}

impl Authorities {
    fn new(core: &Core, kind: &'static str) -> Self {
        let of = |family| core.measures.native.gauge(family, &[("type", kind)]);
        Self {
            not_after: of(&catalogue::AUTHORITY_NOT_AFTER),
            prepared: of(&catalogue::AUTHORITY_PREPARED),
            in_bundle: of(&catalogue::AUTHORITY_IN_BUNDLE),
        }
    }

    /// Of a bundle that could not be read nothing is told: the datastore's gauge says so.
    fn tell(&self, states: &AuthorityStates, is_in_bundle: Option<bool>) {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, which holds seconds of any date exactly")]
        let not_after = states.active.as_ref().map_or(0.0, |active| active.expires_at.as_second() as f64);
        self.not_after.set(not_after);
        self.prepared.set(f64::from(states.next.as_ref().is_some_and(|next| next.status == Status::Prepared)));
        if let Some(is_in_bundle) = is_in_bundle {
            self.in_bundle.set(f64::from(is_in_bundle));
        }
    }
}

/// Whether the bundle has what the X.509 authority that signs is verified by.
pub(crate) fn is_x509_in(core: &Core, bundle: Option<&Bundle>) -> Option<bool> {
    let issuer = core.issuers.x509.borrow().clone();
    let authorities = bundle?.x509_authorities.iter().filter_map(|one| Certificate::from_der(&one.certificate).ok());
    let authorities: Vec<Certificate> = authorities.collect();
    Some(issuer.is_some_and(|issuer| issuer.comes_from(&authorities)))
}

/// Whether the bundle has the key of the JWT authority that signs; true where no JWT-SVID is issued.
pub(crate) fn is_jwt_in(core: &Core, bundle: Option<&Bundle>) -> Option<bool> {
    let issuer = core.issuers.jwt.borrow().clone();
    let keys = &bundle?.jwt_authorities;
    let is_known = issuer.is_some_and(|issuer| keys.iter().any(|key| key.key_id == issuer.key_id()));
    Some(is_known || !core.settings.jwt_enabled)
}

/// The free part of a file system; all of it when that can't be told, since what can't be written fails by itself.
#[expect(clippy::cast_precision_loss, reason = "a ratio is a float")]
fn free_ratio(folder: &Path) -> f64 {
    match rustix::fs::statvfs(folder) {
        Ok(of) if of.f_blocks > 0 => of.f_bavail as f64 / of.f_blocks as f64,
        _ => 1.0,
    }
}

fn has_jumped(before: (Timestamp, Duration), now: (Timestamp, Duration)) -> bool {
    let passed = now.1.saturating_sub(before.1);
    let told = now.0.duration_since(before.0);
    let expected = jiff::SignedDuration::try_from(passed).unwrap_or(jiff::SignedDuration::MAX);
    told.checked_sub(expected).is_none_or(|difference| difference.unsigned_abs() > JUMP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_goes_otherwise_than_it_passes_is_a_jump() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let start = (at(1_000), Duration::from_secs(50));
        assert!(!has_jumped(start, (at(1_005), Duration::from_secs(55))));
        assert!(!has_jumped(start, (at(1_007), Duration::from_secs(53))));
        assert!(has_jumped(start, (at(1_011), Duration::from_secs(55))));
        assert!(has_jumped(start, (at(990), Duration::from_secs(55))));
    }

    #[test]
    fn free_part_of_a_disk_is_between_none_and_all() {
        let ratio = free_ratio(Path::new("/"));
        assert!(ratio > 0.0 && ratio <= 1.0, "{ratio}");
        assert!((free_ratio(Path::new("/nowhere/at/all")) - 1.0).abs() < f64::EPSILON);
    }
}
