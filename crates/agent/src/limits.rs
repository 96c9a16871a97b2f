//! Limits on calls of workloads (`experimental.ratelimit`): more calls than that are refused at once.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use steeple_clock::Clock;
use steeple_crypto::digest;
use steeple_policy::Buckets;
use steeple_telemetry::Metrics;
use steeple_types::Selector;
use tonic::Status;
use tracing::info;

/// The calls of all workloads. Workloads with the same selectors count as one, and so do all without any.
pub(crate) struct WorkloadLimits {
    per_second: BTreeMap<&'static str, u32>,
    clock: Clock,
    metrics: Metrics,
    buckets: Mutex<Buckets<(&'static str, [u8; 32])>>,
}

impl WorkloadLimits {
    pub(crate) fn new(per_second: BTreeMap<&'static str, u32>, clock: Clock, metrics: Metrics) -> Self {
        for (method, limit) in &per_second {
            info!(method, limit, subsystem_name = "endpoints", "Workload API/SDS rate limiting enabled");
        }
        Self { per_second, clock, metrics, buckets: Mutex::default() }
    }

    /// Counts a call, and refuses it when there were too many; with how many there may be in a second.
    pub(crate) fn admit(&self, method: &str, selectors: &[Selector]) -> Result<(), (Status, u32)> {
        let Some((method, limit)) = self.per_second.get_key_value(method) else { return Ok(()) };
        let key = (*method, fingerprint(selectors));
        let now = self.clock.monotonic();
        if self.buckets.lock().take(key, 1, *limit, now, Duration::ZERO).is_some() {
            return Ok(());
        }
        self.metrics.count("workload_api_rate_limit_exceeded", &[("method", (*method).to_owned())]);
        Err((Status::unavailable(format!("rate limit exceeded for {method}")), *limit))
    }
}

/// What stands for a set of selectors, which attestation yields in their order.
fn fingerprint(selectors: &[Selector]) -> [u8; 32] {
    let parts = selectors.iter().flat_map(|selector| [selector.kind(), "\0", selector.value(), "\0"]);
    digest::sha256(parts.collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use steeple_telemetry::Metrics;
    use tonic::Code;

    use super::*;

    const METHOD: &str = "/SpiffeWorkloadAPI/FetchX509SVID";

    #[test]
    fn workloads_with_the_same_selectors_share_a_limit() {
        let (clock, hand) = Clock::manual(Timestamp::UNIX_EPOCH);
        let limits = WorkloadLimits::new(BTreeMap::from([(METHOD, 2)]), clock, Metrics::off());
        let one = vec![Selector::new("unix", "uid:1").unwrap()];
        let other = vec![Selector::new("unix", "uid:2").unwrap()];
        assert!(limits.admit(METHOD, &one).is_ok() && limits.admit(METHOD, &one).is_ok());
        let (refused, per_second) = limits.admit(METHOD, &one).unwrap_err();
        assert_eq!(per_second, 2);
        let said = "rate limit exceeded for /SpiffeWorkloadAPI/FetchX509SVID";
        assert_eq!((refused.code(), refused.message()), (Code::Unavailable, said));
        assert!(limits.admit(METHOD, &other).is_ok() && limits.admit(METHOD, &[]).is_ok());
        assert!(limits.admit("/SpiffeWorkloadAPI/FetchJWTSVID", &one).is_ok());
        hand.advance(Duration::from_millis(500));
        assert!(limits.admit(METHOD, &one).is_ok() && limits.admit(METHOD, &one).is_err());
    }
}
