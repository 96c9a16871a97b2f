//! Waiting: asks again and again until there is an answer or no more patience.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a scenario waits for one thing; generous, since machines of CI are slow.
pub const PATIENCE: Duration = Duration::from_secs(90);

const PAUSE: Duration = Duration::from_millis(100);
/// Longest pause; it grows with what has been waited for long, of which it is the twentieth part.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Asks `answer` until it is `Some`.
///
/// # Errors
/// When the answer is an error, or [`PATIENCE`] ends; the message names `what` was awaited.
pub fn until<T>(what: &str, answer: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    until_within(PATIENCE, what, answer)
}

/// As [`until`], for what takes longer.
///
/// # Errors
/// When the answer is an error, or `patience` ends.
pub fn until_within<T>(patience: Duration, what: &str, mut answer: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = answer().with_context(|| format!("waiting for {what}"))? {
            return Ok(found);
        }
        let waited = began.elapsed();
        if waited > patience {
            bail!("{what}: not seen in {patience:?}");
        }
        std::thread::sleep((waited / 20).clamp(PAUSE, LONGEST_PAUSE));
    }
}

/// Asks until `condition` holds; a failed question counts as "not yet", and the last failure is told.
///
/// # Errors
/// When [`PATIENCE`] ends.
pub fn until_ok<T>(what: &str, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
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
