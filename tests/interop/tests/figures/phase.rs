//! A phase: callers that call again as soon as they are answered, and what that costs a process.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::try_join_all;

use crate::process;

/// Rounds in which each product is measured once, in turn.
pub(crate) const ROUNDS: usize = 3;

/// The length of a phase that is measured.
pub(crate) const LENGTH: Duration = Duration::from_secs(5);

/// What a phase has shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase {
    /// CPU time of the process for a call, in microseconds.
    pub(crate) cpu: f64,
    /// Calls in a second.
    pub(crate) rate: f64,
    /// The time of a call in the middle of all, in milliseconds.
    pub(crate) p50: f64,
    /// The time that one call in a hundred takes longer than, in milliseconds.
    pub(crate) p99: f64,
}

/// Lets each caller call in a closed loop and measures the process `pid` meanwhile, after a tenth of `length` to warm up.
pub(crate) async fn phase<C: AsyncFnMut() -> Result<()>>(
    pid: u32,
    length: Duration,
    callers: &mut [C],
) -> Result<Phase> {
    call_for(length / 10, callers).await?;
    let (began, before) = (Instant::now(), process::cpu(pid)?);
    let mut times = call_for(length, callers).await?;
    let (used, took) = (process::cpu(pid)?.saturating_sub(before), began.elapsed());
    times.sort_unstable();
    let calls = f64::from(u32::try_from(times.len())?);
    let at = |hundredths: usize| times.get(times.len() * hundredths / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    Ok(Phase { cpu: used.as_secs_f64() * 1e6 / calls, rate: calls / took.as_secs_f64(), p50: at(50), p99: at(99) })
}

async fn call_for<C: AsyncFnMut() -> Result<()>>(length: Duration, callers: &mut [C]) -> Result<Vec<Duration>> {
    let end = Instant::now() + length;
    let loops = callers.iter_mut().map(async |call| {
        let mut times = Vec::new();
        while Instant::now() < end {
            let began = Instant::now();
            call().await?;
            times.push(began.elapsed());
        }
        anyhow::Ok(times)
    });
    Ok(try_join_all(loops).await?.concat())
}
