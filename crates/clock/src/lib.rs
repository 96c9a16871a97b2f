//! Time as an argument: the system clock, and a manual one for tests.
//!
//! Only this crate reads the system's time; everything else takes a [`Clock`].

mod manual;

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

pub use manual::ManualClock;

/// Tells the time and sleeps. Cloning is cheap; clones share their time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { start: Instant },
    Manual(ManualClock),
}

/// A wait took longer than it was allowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl std::fmt::Display for Elapsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("deadline exceeded")
    }
}

impl std::error::Error for Elapsed {}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(Source::System { start: Instant::now() })
    }

    /// A clock that stands at `start` until it is advanced by the returned handle.
    pub fn manual(start: Timestamp) -> (Self, ManualClock) {
        let manual = ManualClock::new(start);
        (Self(Source::Manual(manual.clone())), manual)
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the time of day")]
            Source::System { .. } => Timestamp::now(),
            Source::Manual(manual) => manual.now(),
        }
    }

    /// Time since the clock was made; never goes backwards.
    pub fn monotonic(&self) -> Duration {
        match &self.0 {
            Source::System { start } => start.elapsed(),
            Source::Manual(manual) => manual.elapsed(),
        }
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
            Source::System { .. } => tokio::time::sleep(duration).await,
            Source::Manual(manual) => manual.sleep(duration).await,
        }
    }

    /// Waits until the time of day is `deadline`, not at all when it is past.
    pub async fn sleep_until(&self, deadline: Timestamp) {
        let left = deadline.duration_since(self.now());
        self.sleep(Duration::try_from(left).unwrap_or_default()).await;
    }

    /// Waits for `future`, but not longer than `limit`.
    ///
    /// # Errors
    /// [`Elapsed`] when `limit` passed first; `future` is dropped then.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = self.sleep(limit) => Err(Elapsed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn manual_clock_wakes_sleepers_in_order() {
        let (clock, manual) = Clock::manual(Timestamp::UNIX_EPOCH);
        let order = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
        let mut sleepers = tokio::task::JoinSet::new();
        for seconds in [3_u64, 1, 2] {
            let (clock, order) = (clock.clone(), order.clone());
            sleepers.spawn(async move {
                clock.sleep(Duration::from_secs(seconds)).await;
                order.lock().push(seconds);
            });
        }
        manual.wait_for_sleepers(3).await;
        for _ in 0..3 {
            manual.advance(Duration::from_secs(1));
            sleepers.join_next().await.unwrap().unwrap();
        }
        assert_eq!(*order.lock(), [1, 2, 3]);
        assert_eq!(clock.now().as_second(), 3);
    }

    #[tokio::test]
    async fn timeout_ends_a_wait_that_is_too_long() {
        let (clock, manual) = Clock::manual(Timestamp::UNIX_EPOCH);
        let wait = clock.timeout(Duration::from_secs(1), std::future::pending::<()>());
        let advance = async {
            manual.wait_for_sleepers(1).await;
            manual.advance(Duration::from_secs(1));
        };
        assert_eq!(tokio::join!(wait, advance).0, Err(Elapsed));
        assert_eq!(clock.timeout(Duration::from_secs(1), async { 5 }).await, Ok(5));
    }
}
