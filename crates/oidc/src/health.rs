//! How the provider is, told over HTTP: by the time that has passed since the source was polled with success.

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use steeple_clock::Clock;
use tokio::sync::watch;

use crate::config::HealthConfig;
use crate::respond;
use crate::source::Polled;

/// How many polls may be missed.
const POLLS: u32 = 5;
/// The least time after which keys count as out of date.
const LEAST: Duration = Duration::from_mins(3);

/// Answers `ready_path` and `live_path`.
#[derive(Debug)]
pub(crate) struct Health {
    config: HealthConfig,
    /// How long ago the last success may be.
    threshold: Duration,
    started_at: Duration,
    clock: Clock,
    polled: watch::Receiver<Polled>,
}

impl Health {
    /// A source that is polled every `interval` may miss five polls, but never less than three minutes.
    pub(crate) fn new(config: HealthConfig, interval: Duration, clock: Clock, polled: watch::Receiver<Polled>) -> Self {
        let threshold = interval.saturating_mul(POLLS).max(LEAST);
        Self { config, threshold, started_at: clock.monotonic(), clock, polled }
    }

    /// The answer to a request.
    pub(crate) fn answer(&self, head: &Parts) -> Response<Bytes> {
        let path = head.uri.path();
        let succeeded_at = self.polled.borrow().succeeded_at;
        let is_well = if path == self.config.ready_path {
            succeeded_at.is_some_and(|at| self.is_recent(at))
        } else if path == self.config.live_path {
            self.is_recent(succeeded_at.unwrap_or(self.started_at))
        } else {
            return respond::not_found();
        };
        match (head.method == Method::GET, is_well) {
            (false, _) => respond::wrong_method(),
            (true, true) => respond::empty(StatusCode::OK),
            (true, false) => respond::empty(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    fn is_recent(&self, at: Duration) -> bool {
        self.clock.monotonic().saturating_sub(at) < self.threshold
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::testing::head;

    const MINUTE: Duration = Duration::from_mins(1);

    struct Rig {
        health: Health,
        polled: watch::Sender<Polled>,
        clock: Clock,
        hand: steeple_clock::ManualClock,
    }

    impl Rig {
        fn new(interval: Duration) -> Self {
            let (clock, hand) = Clock::manual(Timestamp::UNIX_EPOCH);
            hand.advance(MINUTE);
            let config = HealthConfig { bind_port: 0, ready_path: "/ready".into(), live_path: "/live".into() };
            let polled = watch::Sender::new(Polled::default());
            let health = Health::new(config, interval, clock.clone(), polled.subscribe());
            Self { health, polled, clock, hand }
        }

        fn polled_now(&self) {
            let succeeded_at = Some(self.clock.monotonic());
            self.polled.send_modify(|polled| polled.succeeded_at = succeeded_at);
        }

        /// The statuses of `/ready` and `/live`.
        fn told(&self) -> (u16, u16) {
            let status = |path: &str| self.health.answer(&head("GET", path, &[])).status().as_u16();
            (status("/ready"), status("/live"))
        }
    }

    #[test]
    fn provider_without_keys_lives_for_the_threshold_and_is_not_ready() {
        let rig = Rig::new(Duration::from_secs(10));
        assert_eq!(rig.told(), (500, 200));
        rig.hand.advance(Duration::from_millis(3 * 60_000 - 1));
        assert_eq!(rig.told(), (500, 200));
        rig.hand.advance(Duration::from_millis(1));
        assert_eq!(rig.told(), (500, 500));
    }

    #[test]
    fn provider_is_ready_as_long_as_its_keys_are_not_out_of_date() {
        let rig = Rig::new(Duration::from_secs(10));
        rig.polled_now();
        assert_eq!(rig.told(), (200, 200));
        rig.hand.advance(3 * MINUTE);
        assert_eq!(rig.told(), (500, 500));
        rig.polled_now();
        assert_eq!(rig.told(), (200, 200));
    }

    #[test]
    fn five_polls_may_be_missed() {
        let rig = Rig::new(2 * MINUTE);
        rig.polled_now();
        rig.hand.advance(Duration::from_secs(10 * 60 - 1));
        assert_eq!(rig.told(), (200, 200));
        rig.hand.advance(Duration::from_secs(1));
        assert_eq!(rig.told(), (500, 500));
    }

    #[test]
    fn only_get_of_the_two_paths_is_answered() {
        let rig = Rig::new(MINUTE);
        let status = |method: &str, path: &str| rig.health.answer(&head(method, path, &[])).status().as_u16();
        assert_eq!((status("POST", "/ready"), status("HEAD", "/live"), status("GET", "/keys")), (405, 405, 404));
    }
}
