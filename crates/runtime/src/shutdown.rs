//! The token by which parts of a process learn that it stops.

use std::future::Future;

use tokio_util::sync::CancellationToken;

/// Tells the parts of a process that it drains. Clones are the same token; a child ends with its parent.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A token that was not triggered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the draining.
    pub fn trigger(&self) {
        self.0.cancel();
    }

    /// Whether the draining was started.
    pub fn is_triggered(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the draining starts.
    pub async fn triggered(&self) {
        self.0.cancelled().await;
    }

    /// Runs `future` until it ends or the draining starts; `None` in the latter case.
    pub async fn until<F: Future>(&self, future: F) -> Option<F::Output> {
        self.0.run_until_cancelled(future).await
    }

    /// A token that this one triggers too, but which can be triggered alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }
}
