//! A clock that a test moves by hand.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

/// The hand of a manual clock.
#[derive(Clone, Debug)]
pub struct ManualClock {
    state: Arc<Mutex<State>>,
    sleepers: watch::Sender<usize>,
}

#[derive(Debug)]
struct State {
    start: Timestamp,
    elapsed: Duration,
    sleepers: Vec<Sleeper>,
}

#[derive(Debug)]
struct Sleeper {
    until: Duration,
    wake: oneshot::Sender<()>,
}

impl ManualClock {
    pub(crate) fn new(start: Timestamp) -> Self {
        let state = State { start, elapsed: Duration::ZERO, sleepers: Vec::new() };
        Self { state: Arc::new(Mutex::new(state)), sleepers: watch::Sender::new(0) }
    }

    /// Moves the time on and wakes who slept until then, in the order of their deadlines.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state.lock();
        state.elapsed += by;
        let now = state.elapsed;
        state.sleepers.sort_by_key(|sleeper| sleeper.until);
        let due = state.sleepers.iter().take_while(|sleeper| sleeper.until <= now).count();
        for sleeper in state.sleepers.drain(..due) {
            // Who stopped waiting need not be woken.
            let _gone = sleeper.wake.send(());
        }
        self.count(&mut state);
    }

    /// Waits until at least `count` tasks sleep on the clock.
    pub async fn wait_for_sleepers(&self, count: usize) {
        let mut sleepers = self.sleepers.subscribe();
        // The sender lives as long as `self`, so this can't fail.
        let _seen = sleepers.wait_for(|sleeping| *sleeping >= count).await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        let state = self.state.lock();
        state.start + state.elapsed
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.state.lock().elapsed
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        if duration.is_zero() {
            return;
        }
        let (wake, woken) = oneshot::channel();
        {
            let mut state = self.state.lock();
            let until = state.elapsed + duration;
            state.sleepers.push(Sleeper { until, wake });
            self.count(&mut state);
        }
        let _woken = woken.await;
    }

    fn count(&self, state: &mut State) {
        state.sleepers.retain(|sleeper| !sleeper.wake.is_closed());
        self.sleepers.send_replace(state.sleepers.len());
    }
}
