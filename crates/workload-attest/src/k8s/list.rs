//! The kubelet's list of pods, asked for once by all who want it at the same time.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use steeple_clock::Clock;
use steeple_k8s::kubelet::{Kubelet, KubeletError};
use steeple_k8s::pod::Pod;
use tokio::sync::Semaphore;

/// The pods of a node.
pub(super) struct Pods {
    kubelet: Kubelet,
    clock: Clock,
    /// Whose turn it is to ask.
    turn: Semaphore,
    last: Mutex<Option<Last>>,
}

struct Last {
    /// When it was asked for, on the monotonic clock: what happened later it may not tell.
    asked: Duration,
    pods: Arc<[Pod]>,
}

impl Pods {
    pub(super) fn new(kubelet: Kubelet, clock: Clock) -> Self {
        Self { kubelet, clock, turn: Semaphore::new(1), last: Mutex::new(None) }
    }

    /// A list that was asked for within the last `fresh`, now if need be.
    pub(super) async fn list(&self, fresh: Duration) -> Result<Arc<[Pod]>, KubeletError> {
        if let Some(pods) = self.held(fresh) {
            return Ok(pods);
        }
        // The semaphore is never closed; without a permit the kubelet would only be asked more often.
        let _turn = self.turn.acquire().await.ok();
        if let Some(pods) = self.held(fresh) {
            return Ok(pods);
        }
        let asked = self.clock.monotonic();
        let pods: Arc<[Pod]> = self.kubelet.pods().await?.into();
        *self.last.lock() = Some(Last { asked, pods: Arc::clone(&pods) });
        Ok(pods)
    }

    fn held(&self, fresh: Duration) -> Option<Arc<[Pod]>> {
        let last = self.last.lock();
        let last = last.as_ref()?;
        let age = self.clock.monotonic().saturating_sub(last.asked);
        (age < fresh).then(|| Arc::clone(&last.pods))
    }
}
