//! Daemons on one core, load from another, so that they do not take each other's time.

use anyhow::Result;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Starts daemons by `start` on the machine's second core and leaves this thread on the first one; on a machine with one
/// core both share it.
pub(crate) fn apart<T>(start: impl FnOnce() -> Result<T>) -> Result<T> {
    let allowed = sched_getaffinity(None)?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let (Some(load), Some(daemons)) = (cores.next(), cores.next()) else { return start() };
    // What a thread starts inherits the cores that it may use.
    stay_on(daemons)?;
    let started = start();
    stay_on(load)?;
    started
}

fn stay_on(core: usize) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    Ok(sched_setaffinity(None, &only)?)
}
