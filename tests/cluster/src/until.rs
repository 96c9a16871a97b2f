//! Waiting for what a cluster will show.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a case waits for one thing; generous, since machines of CI are slow.
pub const PATIENCE: Duration = Duration::from_mins(3);

const PAUSE: Duration = Duration::from_millis(250);

/// Asks `answer` until it is `Some`.
///
/// # Errors
/// When the answer is an error, or [`PATIENCE`] ends; the message names `what` was awaited.
pub fn some<T>(what: &str, mut answer: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = answer().with_context(|| format!("waiting for {what}"))? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("{what}: not seen in {PATIENCE:?}");
        }
        std::thread::sleep(PAUSE);
    }
}

/// Asks until the question succeeds; the last failure is told.
///
/// # Errors
/// When [`PATIENCE`] ends.
pub fn ok<T>(what: &str, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(found) => return Ok(found),
            Err(error) if Instant::now() > deadline => {
                return Err(error).with_context(|| format!("{what}: not seen in {PATIENCE:?}"));
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
