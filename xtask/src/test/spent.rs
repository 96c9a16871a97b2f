//! How long the parts of a run took, and how busy the machine was meanwhile: a part whose cores idle can be told from one
//! that has too much to do.

use std::time::{Duration, Instant};

/// Ticks of all cores since the machine's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    idle: u64,
    all: u64,
}

/// A part that runs.
#[derive(Debug)]
pub(super) struct Spent {
    began: Instant,
    before: Option<Ticks>,
}

impl Spent {
    #[expect(clippy::disallowed_methods, reason = "what is told is the time of the machine")]
    pub(super) fn begin() -> Self {
        Self { began: Instant::now(), before: now() }
    }

    /// One line about the part, which has ended.
    pub(super) fn told(&self, part: &str) -> String {
        line(part, self.began.elapsed(), self.before.zip(now()))
    }
}

fn line(part: &str, elapsed: Duration, ticks: Option<(Ticks, Ticks)>) -> String {
    let busy = ticks.and_then(|(before, after)| {
        let all = after.all.saturating_sub(before.all);
        let idle = after.idle.saturating_sub(before.idle).min(all);
        ((all - idle) * 100).checked_div(all)
    });
    let busy = busy.map_or_else(String::new, |percent| format!(", cores {percent} % busy"));
    format!("spent on {part}: {} s{busy}", elapsed.as_secs())
}

/// From the kernel's account, where there is one.
fn now() -> Option<Ticks> {
    read(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// The first line of `/proc/stat`: `cpu user nice system idle iowait irq softirq steal …`; guests are part of user and nice.
fn read(stat: &str) -> Option<Ticks> {
    let ticks: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).map_while(|word| word.parse().ok()).collect();
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some(Ticks { idle, all: ticks.iter().take(8).sum() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_share_is_what_was_not_idle_between_two_looks() {
        let before = read("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n").unwrap();
        let after = read("cpu  160 10 60 810 60 0 0 0 40 0\n").unwrap();
        assert_eq!(before, Ticks { idle: 850, all: 1_000 });
        let told = line("interop", Duration::from_secs(412), Some((before, after)));
        assert_eq!(told, "spent on interop: 412 s, cores 80 % busy");
    }

    #[test]
    fn without_an_account_time_alone_is_told() {
        assert_eq!(read(""), None);
        assert_eq!(line("mesh", Duration::from_secs(7), None), "spent on mesh: 7 s");
        let same = Ticks { idle: 1, all: 2 };
        assert_eq!(line("mesh", Duration::ZERO, Some((same, same))), "spent on mesh: 0 s");
    }
}
