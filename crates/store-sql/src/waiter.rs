//! Waiting for the futures of a database driver on the calling thread.

use std::future::Future;
use std::time::Duration;

use steeple_clock::{Clock, Elapsed};
use tokio::runtime::{Builder, Runtime};

/// A runtime for one connection: it runs while a caller waits, and has no thread of its own.
pub(crate) struct Waiter {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    clock: Clock,
}

impl Waiter {
    pub(crate) fn new(clock: Clock) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime: Some(runtime), clock })
    }

    /// Waits for `future`, but not longer than `limit`. Not to be called where a runtime runs already.
    pub(crate) fn wait<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(self.clock.timeout(limit, future)),
            None => Err(Elapsed),
        }
    }

    /// Drops `value` where it finds this runtime if it looks for one.
    pub(crate) fn bury<T>(&self, value: T) {
        let _inside = self.runtime.as_ref().map(Runtime::enter);
        drop(value);
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        // A runtime that is dropped within another one would wait there.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[tokio::test]
    async fn waiter_may_be_dropped_within_a_runtime() {
        let waiter = Waiter::new(Clock::system()).unwrap();
        waiter.bury(());
        drop(waiter);
    }

    #[test]
    fn wait_has_an_end() {
        let (clock, hand) = Clock::manual(Timestamp::UNIX_EPOCH);
        let waiter = Waiter::new(clock).unwrap();
        assert_eq!(waiter.wait(Duration::from_secs(1), async { 5 }), Ok(5));
        let stuck = async {
            hand.wait_for_sleepers(1).await;
            hand.advance(Duration::from_secs(1));
            std::future::pending::<()>().await;
        };
        assert_eq!(waiter.wait(Duration::from_secs(1), stuck), Err(Elapsed));
    }
}
