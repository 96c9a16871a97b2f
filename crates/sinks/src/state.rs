//! How a sink is doing.

use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use steeple_audit::Follower;

/// How a sink is doing, for who tells it.
#[derive(Debug)]
pub struct State {
    name: String,
    follower: Follower,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    next: u64,
    /// When the record was made that waits longest.
    oldest: Option<Timestamp>,
    is_up: bool,
    delivered: u64,
    failures: u64,
    lost: u64,
}

/// How a sink is doing at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether its receiver took what it was sent last.
    pub is_up: bool,
    /// How many records wait.
    pub waiting: u64,
    /// How long the first of them has.
    pub lag: Duration,
    /// How many records it was sent since the start, without those that the filter left out.
    pub delivered: u64,
    /// How many deliveries have failed since the start.
    pub failures: u64,
    /// How many records it will never get: its receiver refuses them, or they are not in the trail any more.
    pub lost: u64,
}

impl State {
    pub(crate) fn new(name: &str, follower: Follower, next: u64) -> Self {
        let inner = Inner { next, oldest: None, is_up: true, delivered: 0, failures: 0, lost: 0 };
        Self { name: name.to_owned(), follower, inner: Mutex::new(inner) }
    }

    /// The sink's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is doing at `now`.
    pub fn report(&self, now: Timestamp) -> Report {
        let inner = self.inner.lock();
        let waiting = self.follower.durable().saturating_sub(inner.next);
        let oldest = inner.oldest.filter(|_| waiting > 0);
        let lag = oldest.and_then(|oldest| Duration::try_from(now.duration_since(oldest)).ok()).unwrap_or_default();
        let Inner { is_up, delivered, failures, lost, .. } = *inner;
        Report { is_up, waiting, lag, delivered, failures, lost }
    }

    /// The record that was made then is the first that waits.
    pub(crate) fn waits(&self, since: Option<Timestamp>) {
        self.inner.lock().oldest = since;
    }

    /// Yields whether deliveries failed before.
    pub(crate) fn delivered(&self, count: usize, next: u64) -> bool {
        let mut inner = self.inner.lock();
        inner.delivered += u64::try_from(count).unwrap_or(u64::MAX);
        (inner.next, inner.oldest) = (next, None);
        !std::mem::replace(&mut inner.is_up, true)
    }

    /// Yields whether deliveries went well before.
    pub(crate) fn failed(&self) -> bool {
        let mut inner = self.inner.lock();
        inner.failures += 1;
        std::mem::replace(&mut inner.is_up, false)
    }

    pub(crate) fn lost(&self, count: u64) {
        self.inner.lock().lost += count;
    }
}
