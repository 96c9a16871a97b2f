//! Lines of the log that strangers can cause as often as they like.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// At most one line a minute; the next one tells how many were left out before it.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    /// When the next line may be written, in nanoseconds of the monotonic clock.
    due: AtomicU64,
    left_out: AtomicU64,
}

const PAUSE: Duration = Duration::from_mins(1);

impl Seldom {
    /// Whether a line may be written `now` (time of the monotonic clock), and how many were left out since the last one.
    pub(super) fn turn(&self, now: Duration) -> Option<u64> {
        let (now, next) = (nanoseconds(now), nanoseconds(now.saturating_add(PAUSE)));
        let claim = |due: u64| (due <= now).then_some(next);
        if self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok() {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_tells_of_those_before_it() {
        let (seldom, second) = (Seldom::default(), Duration::from_secs);
        assert_eq!(seldom.turn(second(5)), Some(0));
        for _ in 0..1_000 {
            assert_eq!(seldom.turn(second(5)), None);
        }
        assert_eq!(seldom.turn(second(64)), None);
        assert_eq!(seldom.turn(second(65)), Some(1_001));
        assert_eq!(seldom.turn(second(66)), None);
        assert_eq!(seldom.turn(second(600)), Some(1));
    }
}
