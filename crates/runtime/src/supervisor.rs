//! The only place that spawns tasks: each has a name, and says what its end means.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use steeple_clock::Clock;
use tokio::task::JoinSet;
use tracing::error;

use crate::Shutdown;

/// What it means when a task fails before the process stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExit {
    /// The process can't go on: it drains, and its exit tells of the failure.
    StopProcess,
    /// The failure is logged and the rest goes on.
    Log,
}

/// Why a process had to stop.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{task}: {reason}")]
pub struct Failure {
    /// Name of the task that failed.
    pub task: String,
    /// Why it failed.
    pub reason: String,
}

/// Spawns the tasks of a process and sees to their end. Clones share the tasks.
#[derive(Clone)]
pub struct Supervisor {
    inner: Arc<Inner>,
}

struct Inner {
    shutdown: Shutdown,
    clock: Clock,
    tasks: Mutex<JoinSet<()>>,
    failure: Mutex<Option<Failure>>,
}

impl Supervisor {
    /// A supervisor whose tasks drain when `shutdown` is triggered.
    pub fn new(shutdown: Shutdown, clock: Clock) -> Self {
        let inner = Inner { shutdown, clock, tasks: Mutex::default(), failure: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// The token that the tasks watch.
    pub fn shutdown(&self) -> &Shutdown {
        &self.inner.shutdown
    }

    /// Runs `task` in the background. A task that returns an error or panics has failed.
    pub fn spawn<F, E>(&self, name: &str, on_exit: OnExit, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let name = name.to_owned();
        let inner = Arc::clone(&self.inner);
        let mut tasks = self.inner.tasks.lock();
        while tasks.try_join_next().is_some() {}
        // A task of its own below this one turns a panic into an error that can be told.
        tasks.spawn(async move {
            let mut body = JoinSet::new();
            body.spawn(task);
            let reason = match body.join_next().await {
                None | Some(Ok(Ok(()))) => return,
                Some(Ok(Err(error))) => error.to_string(),
                Some(Err(error)) => error.to_string(),
            };
            inner.failed(name, reason, on_exit);
        });
    }

    /// Waits until the draining starts, then for the tasks, but not longer than `grace`; the rest is aborted.
    ///
    /// # Errors
    /// The first [`Failure`] of a task without which the process can't go on.
    pub async fn run_to_end(&self, grace: Duration) -> Result<(), Failure> {
        self.inner.shutdown.triggered().await;
        let mut tasks = std::mem::take(&mut *self.inner.tasks.lock());
        let drained = self.inner.clock.timeout(grace, async { while tasks.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tasks.shutdown().await;
        }
        self.inner.failure.lock().take().map_or(Ok(()), Err)
    }
}

impl Inner {
    fn failed(&self, task: String, reason: String, on_exit: OnExit) {
        if on_exit == OnExit::Log || self.shutdown.is_triggered() {
            error!(task, error = reason, "Task failed");
            return;
        }
        self.failure.lock().get_or_insert(Failure { task, reason });
        self.shutdown.trigger();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervisor() -> Supervisor {
        Supervisor::new(Shutdown::new(), Clock::system())
    }

    #[tokio::test]
    async fn failed_task_stops_the_process_and_shows() {
        let supervisor = supervisor();
        supervisor.spawn("listener", OnExit::StopProcess, async { Err("port taken") });
        let failure = supervisor.run_to_end(Duration::from_mins(1)).await.unwrap_err();
        assert_eq!(failure.to_string(), "listener: port taken");
    }

    #[tokio::test]
    async fn panicking_task_is_a_failure() {
        let supervisor = supervisor();
        supervisor.spawn("p", OnExit::StopProcess, async { if true { panic!("boom") } else { Ok::<_, String>(()) } });
        assert_eq!(supervisor.run_to_end(Duration::from_mins(1)).await.unwrap_err().task, "p");
    }

    #[tokio::test]
    async fn stubborn_task_is_aborted_after_the_grace() {
        let supervisor = supervisor();
        supervisor.spawn("stubborn", OnExit::Log, std::future::pending::<Result<(), String>>());
        supervisor.shutdown().trigger();
        supervisor.run_to_end(Duration::from_millis(1)).await.unwrap();
    }
}
