//! What an agent counts under names of its own, for dashboards and alerts (`docs/reference/metrics.md`).

mod catalogue;

use std::time::Duration;

use jiff::Timestamp;
use steeple_telemetry::native::{Counter, Family, Gauge, Histogram, Native};

use crate::core::Core;

pub use catalogue::FAMILIES;

/// Handles of all that is counted.
pub(crate) struct Measures {
    native: Native,
    syncs: Results,
    attestations: Results,
    denials: Counter,
    nacks: Counter,
    last_sync: Gauge,
    own: [Gauge; 2],
    svids: [Gauge; 3],
}

/// How often it went well, how often it has failed, and how long it took.
struct Results {
    ok: Counter,
    failed: Counter,
    duration: Histogram,
}

impl Results {
    fn new(native: &Native, counted: &'static Family, timed: &'static Family) -> Self {
        let of = |result| native.counter(counted, &[("result", result)]);
        Self { ok: of("ok"), failed: of("failed"), duration: native.histogram(timed, &[]) }
    }

    fn count(&self, is_ok: bool, elapsed: Duration) {
        if is_ok { &self.ok } else { &self.failed }.increment(1);
        self.duration.record(elapsed);
    }
}

impl Measures {
    /// Measures that are `read`, or that cost nothing.
    pub(crate) fn new(read: bool) -> Self {
        // The bounds are constants, which a test has seen accepted.
        let native = if read { Native::on(FAMILIES).unwrap_or_else(|_| Native::off()) } else { Native::off() };
        native.gauge(&catalogue::BUILD, &[("version", env!("CARGO_PKG_VERSION"))]).set(1.0);
        let gauge = |family| native.gauge(family, &[]);
        Self {
            syncs: Results::new(&native, &catalogue::SYNCS, &catalogue::SYNC_DURATION),
            attestations: Results::new(&native, &catalogue::ATTESTATIONS, &catalogue::ATTESTATION_DURATION),
            denials: native.counter(&catalogue::DENIALS, &[]),
            nacks: native.counter(&catalogue::SDS_NACKS, &[]),
            last_sync: gauge(&catalogue::LAST_SYNC),
            own: [&catalogue::OWN_NOT_AFTER, &catalogue::OWN_LIFETIME].map(gauge),
            svids: [&catalogue::SVIDS, &catalogue::SVIDS_OVERDUE, &catalogue::SVIDS_EARLIEST].map(gauge),
            native,
        }
    }

    /// The server was asked for entries and bundles.
    pub(crate) fn synchronised(&self, is_ok: bool, elapsed: Duration) {
        self.syncs.count(is_ok, elapsed);
        self.native.sum_up();
    }

    /// A workload was to be attested.
    pub(crate) fn attested(&self, is_ok: bool, elapsed: Duration) {
        self.attestations.count(is_ok, elapsed);
    }

    /// There is no identity for a workload that called.
    pub(crate) fn denied(&self) {
        self.denials.increment(1);
    }

    /// An Envoy did not take what it was sent.
    pub(crate) fn nacked(&self) {
        self.nacks.increment(1);
    }

    /// All of it as it is now, in the text form of Prometheus.
    pub(crate) fn render(&self, core: &Core) -> String {
        if !self.native.are_on() {
            return String::new();
        }
        self.last_sync.set(core.progress.borrow().synced.map_or(0.0, seconds));
        let svid = core.tls.svid();
        let leaf = svid.as_ref().and_then(|svid| svid.certificates.first());
        let [not_after, lifetime] = &self.own;
        not_after.set(leaf.map_or(0.0, |leaf| seconds(leaf.not_after())));
        lifetime.set(leaf.map_or(0.0, |leaf| seconds(leaf.not_after()) - seconds(leaf.not_before())));
        let snapshot = core.cache.snapshot();
        let lives = snapshot.identities.values().filter_map(|identity| identity.svid.as_ref());
        let lives: Vec<(Timestamp, Timestamp)> = lives.map(|svid| (svid.issued_at, svid.expires_at)).collect();
        let now = core.clock.now();
        let overdue = lives.iter().filter(|(from, to)| is_overdue(*from, *to, now)).count();
        let earliest = lives.iter().map(|(_, to)| *to).min().map_or(0.0, seconds);
        let [count, late, first] = &self.svids;
        count.set(figure(lives.len()));
        late.set(figure(overdue));
        first.set(earliest);
        self.native.render()
    }
}

/// Whether less than a quarter is left of a life.
fn is_overdue(from: Timestamp, to: Timestamp, now: Timestamp) -> bool {
    (seconds(to) - seconds(now)) * 4.0 < seconds(to) - seconds(from)
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float, which holds seconds of any date exactly")]
fn seconds(time: Timestamp) -> f64 {
    time.as_second() as f64
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn figure(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn svid_is_overdue_in_the_last_quarter_of_its_life() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(!is_overdue(at(0), at(100), at(75)));
        assert!(is_overdue(at(0), at(100), at(76)));
        assert!(is_overdue(at(0), at(100), at(200)));
    }

    #[test]
    fn what_happens_is_counted_by_result() {
        let measures = Measures::new(true);
        measures.synchronised(true, Duration::from_secs(1));
        measures.attested(false, Duration::from_millis(1));
        measures.denied();
        measures.nacked();
        let text = measures.native.render();
        for line in [
            "steeple_agent_syncs_total{result=\"ok\"} 1\n",
            "steeple_agent_syncs_total{result=\"failed\"} 0\n",
            "steeple_workload_attestations_total{result=\"failed\"} 1\n",
            "steeple_workload_denials_total 1\n",
            "steeple_sds_nacks_total 1\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn page_shows_the_catalogue() {
        let page = include_str!("../../../docs/reference/metrics.md");
        let rows = steeple_telemetry::native::rows(FAMILIES);
        assert!(page.contains(&rows), "docs/reference/metrics.md should have:\n{rows}");
    }
}
