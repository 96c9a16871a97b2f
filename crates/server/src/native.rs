//! What a server counts under names of its own, for dashboards and alerts (`docs/reference/metrics.md`).

mod catalogue;
mod observe;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use steeple_audit::Audit;
use steeple_clock::Clock;
use steeple_telemetry::native::{Counter, Family, Gauge, Histogram, Native};
use tonic::Code;

use crate::api::Row;

pub use catalogue::FAMILIES;
pub(crate) use observe::{is_jwt_in, is_x509_in, observe};

/// Handles of all that is counted where it happens.
pub(crate) struct Measures {
    native: Native,
    svids: [Product; 4],
    attestations: Results,
    attestation_duration: Histogram,
    denied: Counter,
    refreshes: [Counter; 2],
    failing_bundles: Gauge,
    audit_fails: Arc<AtomicBool>,
}

/// Calls that issue SVIDs of one type.
struct Product {
    requests: Results,
    duration: Histogram,
}

/// How often it went well, was refused, has failed.
struct Results([Counter; 3]);

/// A type of SVID that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Svid {
    X509,
    Jwt,
    DownstreamCa,
    Agent,
}

impl Svid {
    const ALL: [(Self, &'static str); 4] =
        [(Self::X509, "x509"), (Self::Jwt, "jwt"), (Self::DownstreamCa, "downstream_ca"), (Self::Agent, "agent")];

    /// What a method issues, and whether its handler counts items itself.
    fn of(method: &str) -> Option<(Self, bool)> {
        Some(match method {
            "BatchNewX509SVID" => (Self::X509, true),
            "MintX509SVID" => (Self::X509, false),
            "NewJWTSVID" | "MintJWTSVID" => (Self::Jwt, false),
            "NewDownstreamX509CA" => (Self::DownstreamCa, false),
            "RenewAgent" => (Self::Agent, false),
            _ => return None,
        })
    }
}

impl Results {
    fn new(native: &Native, family: &'static Family, labels: &[(&'static str, &str)]) -> Self {
        let of = |result| native.counter(family, &[labels, &[("result", result)]].concat());
        Self([of("ok"), of("refused"), of("failed")])
    }

    fn count(&self, code: Code) {
        let [ok, refused, failed] = &self.0;
        let counter = match code {
            Code::Ok => ok,
            Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => failed,
            _ => refused,
        };
        counter.increment(1);
    }
}

impl Measures {
    /// Measures that are `read`, or that cost nothing.
    pub(crate) fn new(read: bool) -> Self {
        // The bounds are constants, which a test has seen accepted.
        let native = if read { Native::on(FAMILIES).unwrap_or_else(|_| Native::off()) } else { Native::off() };
        native.gauge(&catalogue::BUILD, &[("version", env!("CARGO_PKG_VERSION"))]).set(1.0);
        let product = |(_, name): (Svid, &'static str)| Product {
            requests: Results::new(&native, &catalogue::SVID_REQUESTS, &[("type", name)]),
            duration: native.histogram(&catalogue::SVID_DURATION, &[("type", name)]),
        };
        let refreshes = |result| native.counter(&catalogue::FEDERATED_REFRESHES, &[("result", result)]);
        let failing_bundles = native.gauge(&catalogue::FEDERATED_FAILING, &[]);
        failing_bundles.set(0.0);
        Self {
            svids: Svid::ALL.map(product),
            attestations: Results::new(&native, &catalogue::ATTESTATIONS, &[]),
            attestation_duration: native.histogram(&catalogue::ATTESTATION_DURATION, &[]),
            denied: native.counter(&catalogue::DENIED, &[]),
            refreshes: [refreshes("ok"), refreshes("failed")],
            failing_bundles,
            audit_fails: Arc::default(),
            native,
        }
    }

    fn product(&self, svid: Svid) -> Option<&Product> {
        let place = Svid::ALL.iter().position(|(one, _)| *one == svid)?;
        self.svids.get(place)
    }

    /// A call has ended.
    pub(crate) fn call(&self, row: &Row, code: Code, elapsed: Duration) {
        if !self.native.are_on() {
            return;
        }
        if matches!(code, Code::PermissionDenied | Code::Unauthenticated) {
            self.denied.increment(1);
        }
        let method = row.name();
        if method == "AttestAgent" {
            self.attestations.count(code);
            self.attestation_duration.record(elapsed);
        } else if let Some((svid, counts_items)) = Svid::of(method)
            && let Some(product) = self.product(svid)
        {
            product.duration.record(elapsed);
            if code != Code::Ok || !counts_items {
                product.requests.count(code);
            }
        }
    }

    /// An SVID of a batch was issued or was not.
    pub(crate) fn item(&self, svid: Svid, code: Code) {
        if let Some(product) = self.product(svid) {
            product.requests.count(code);
        }
    }

    /// The bundle of another trust domain was to be fetched.
    pub(crate) fn bundle_refreshed(&self, is_ok: bool) {
        let [ok, failed] = &self.refreshes;
        if is_ok { ok } else { failed }.increment(1);
    }

    /// The bundles of so many trust domains could not be fetched at the last attempt.
    pub(crate) fn bundles_failing(&self, count: usize) {
        self.failing_bundles.set(figure(count));
    }

    /// Counts what is recorded in the audit trail.
    pub(crate) fn audited(&self, audit: &Audit, clock: &Clock) -> Audit {
        let of = |result| self.native.counter(&catalogue::AUDIT_RECORDS, &[("result", result)]);
        let (ok, failed) = (of("ok"), of("failed"));
        let duration = self.native.histogram(&catalogue::AUDIT_DURATION, &[]);
        let fails = Arc::clone(&self.audit_fails);
        let observer = move |count: usize, is_recorded: bool, elapsed: Duration| {
            // Where it stays as it was, nothing is written that other cores would have to read anew.
            if fails.load(Ordering::Relaxed) == is_recorded {
                fails.store(!is_recorded, Ordering::Relaxed);
            }
            if is_recorded { &ok } else { &failed }.increment(u64::try_from(count).unwrap_or(u64::MAX));
            duration.record(elapsed);
        };
        audit.observed(Arc::new(observer), clock.clone())
    }

    /// Whether the last record could not be written.
    pub(crate) fn audit_fails(&self) -> bool {
        self.audit_fails.load(Ordering::Relaxed)
    }

    /// All of it, in the text form of Prometheus.
    pub(crate) fn render(&self) -> String {
        self.native.render()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn figure(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TABLE;

    fn row(method: &str) -> &'static Row {
        TABLE.iter().find(|row| row.name() == method).unwrap_or_else(|| unreachable!("no row for {method}"))
    }

    #[test]
    fn calls_that_issue_are_counted_by_type_and_result() {
        let measures = Measures::new(true);
        let second = Duration::from_secs(1);
        measures.call(row("NewJWTSVID"), Code::Ok, second);
        measures.call(row("NewJWTSVID"), Code::NotFound, second);
        measures.call(row("NewJWTSVID"), Code::Internal, second);
        measures.call(row("BatchNewX509SVID"), Code::Ok, second);
        measures.item(Svid::X509, Code::Ok);
        measures.item(Svid::X509, Code::Ok);
        measures.call(row("AttestAgent"), Code::PermissionDenied, second);
        measures.bundle_refreshed(false);
        measures.bundles_failing(3);
        let text = measures.render();
        for line in [
            "steeple_svid_requests_total{type=\"jwt\",result=\"ok\"} 1\n",
            "steeple_svid_requests_total{type=\"jwt\",result=\"refused\"} 1\n",
            "steeple_svid_requests_total{type=\"jwt\",result=\"failed\"} 1\n",
            "steeple_svid_requests_total{type=\"x509\",result=\"ok\"} 2\n",
            "steeple_svid_request_duration_seconds_bucket{type=\"jwt\",le=\"1\"} 3\n",
            "steeple_node_attestations_total{result=\"refused\"} 1\n",
            "steeple_denied_calls_total 1\n",
            "steeple_federated_bundle_refreshes_total{result=\"failed\"} 1\n",
            "steeple_federated_bundles_failing 3\n",
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
