//! What the kernel says of a process.

use std::time::Duration;

use anyhow::{Context, Result};

/// The CPU time that a process has used, of all its threads, in user and system mode.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name before the last parenthesis may hold spaces; utime and stime are fields 14 and 15 of the whole line.
    let (_, fields) = stat.rsplit_once(')').context("stat without a name")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let (user, system): (u64, u64) = match fields.get(11..13) {
        Some([user, system]) => (user.parse()?, system.parse()?),
        _ => anyhow::bail!("stat is too short: {stat}"),
    };
    Ok(Duration::from_millis((user + system) * 1000 / rustix::param::clock_ticks_per_second()))
}

/// Memory of a process in units of 1,000,000 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// All that is resident: also the pages of the program that it shares with others.
    pub(crate) resident: f64,
    /// What is its own: heaps and stacks.
    pub(crate) anonymous: f64,
}

/// The memory that a process has now.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let megabytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
        let kibibytes: f64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?;
        anyhow::Ok(kibibytes * 1024.0 / 1e6)
    };
    Ok(Memory { resident: megabytes("VmRSS")?, anonymous: megabytes("RssAnon")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_has_used_time_and_holds_memory() {
        let before = cpu(std::process::id()).unwrap();
        while cpu(std::process::id()).unwrap() == before {}
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.resident > memory.anonymous && memory.anonymous > 0.0, "{memory:?}");
    }
}
