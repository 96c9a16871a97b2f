//! A recorder whose outcomes somebody counts.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use steeple_clock::Clock;

use crate::{AuditError, Event, Recorder};

/// Is told how many events were to be recorded, whether they were, and how long it took.
pub type Observer = dyn Fn(usize, bool, Duration) + Send + Sync;

/// Records by another recorder, and tells an observer.
pub(crate) struct Observed {
    pub(crate) recorder: Arc<dyn Recorder>,
    pub(crate) observer: Arc<Observer>,
    pub(crate) clock: Clock,
}

impl Observed {
    fn tell(&self, count: usize, recorded: &Result<(), AuditError>, began: Duration) {
        (self.observer)(count, recorded.is_ok(), self.clock.monotonic().saturating_sub(began));
    }
}

#[async_trait]
impl Recorder for Observed {
    async fn record(&self, event: &Event) -> Result<(), AuditError> {
        let began = self.clock.monotonic();
        let recorded = self.recorder.record(event).await;
        self.tell(1, &recorded, began);
        recorded
    }

    async fn record_all(&self, events: &[Event]) -> Result<(), AuditError> {
        let began = self.clock.monotonic();
        let recorded = self.recorder.record_all(events).await;
        self.tell(events.len(), &recorded, began);
        recorded
    }
}
