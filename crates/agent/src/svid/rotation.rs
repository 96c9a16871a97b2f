//! When an X.509-SVID is renewed.

use std::time::Duration;

use jiff::Timestamp;

/// What an availability target must leave of a life.
const GRACE: Duration = Duration::from_hours(12);
/// Within how long a fleet renews when it goes by a target.
const SPREAD: Duration = Duration::from_mins(10);

/// When X.509-SVIDs are renewed: at half of their life, or earlier where that leaves less than a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rotation {
    pub(crate) availability_target: Option<Duration>,
}

impl Rotation {
    /// Whether what is good from `begin` to `end` is to be renewed: from half of its life on, give or take a tenth of that half, so
    /// that a fleet does not renew at once. With a target, also when no more than that is left, and up to ten minutes more.
    /// `random` is even in 0..1.
    pub(crate) fn is_due(self, begin: Timestamp, end: Timestamp, now: Timestamp, random: f64) -> bool {
        let (lifetime, left) = (end.duration_since(begin).as_secs_f64(), end.duration_since(now).as_secs_f64());
        let target = self.availability_target.filter(|target| leaves_enough(lifetime, *target));
        target.is_some_and(|target| left <= target.as_secs_f64() + SPREAD.as_secs_f64() * random)
            || left <= lifetime * (0.45 + 0.1 * random)
    }

    /// Whether SVIDs that are good from `begin` to `end` don't live long enough for the target.
    pub(crate) fn misses_target(self, begin: Timestamp, end: Timestamp) -> bool {
        self.availability_target.is_some_and(|target| !leaves_enough(end.duration_since(begin).as_secs_f64(), target))
    }
}

/// Whether a target leaves enough of a life, in seconds.
fn leaves_enough(lifetime: f64, target: Duration) -> bool {
    lifetime - target.as_secs_f64() > GRACE.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn half_of_a_life_is_over_within_a_tenth_of_the_half() {
        let past = |now, random| Rotation::default().is_due(at(0), at(1_000), at(now), random);
        assert!(!past(449, 1.0) && past(450, 1.0), "the earliest moment");
        assert!(!past(549, 0.0) && past(550, 0.0), "the latest moment");
        assert!(past(2_000, 0.0), "after the end");
    }

    #[test]
    fn target_has_svids_renewed_when_no_more_is_left() {
        let rotation = Rotation { availability_target: Some(Duration::from_hours(24)) };
        let due = |hours: i64, now, random| rotation.is_due(at(0), at(hours * HOUR), at(now), random);
        let latest = 13 * HOUR;
        assert!(!due(37, latest - 1, 0.0) && due(37, latest, 0.0), "the latest moment");
        assert!(!due(37, latest - 601, 1.0) && due(37, latest - 600, 1.0), "the earliest moment");
        assert!(!due(36, 13 * HOUR, 0.5) && due(36, 18 * HOUR, 0.5), "a life that leaves 12 h goes by its half");
        assert!(due(96, 53 * HOUR, 0.0), "half of a long life comes before the target");
        assert!(rotation.misses_target(at(0), at(36 * HOUR)) && !rotation.misses_target(at(0), at(36 * HOUR + 1)));
        assert!(!Rotation::default().misses_target(at(0), at(HOUR)));
    }
}
