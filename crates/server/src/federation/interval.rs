//! When a bundle is fetched again.

use std::time::Duration;

/// A bundle is fetched so many times within its refresh hint, so that a fetch may fail.
const ATTEMPTS: u32 = 4;
/// Smallest hint that counts.
pub(crate) const MIN_HINT: Duration = Duration::from_mins(1);
/// Largest hint that counts: whoever says more would not be asked again for as long as he likes.
const MAX_HINT: Duration = Duration::from_hours(24);
/// How often a bundle without a hint is fetched (SPIFFE Federation, section 4.1).
pub(crate) const DEFAULT_INTERVAL: Duration = Duration::from_mins(5);
/// Longest wait after a failure, and without a bundle.
const RETRY: Duration = Duration::from_mins(1);

/// How long to wait until the next fetch: `refresh_hint` is that of the known bundle in seconds, if one is known.
pub(crate) fn interval(refresh_hint: Option<i64>, has_failed: bool) -> Duration {
    let Some(hint) = refresh_hint else { return RETRY };
    let regular = match u64::try_from(hint) {
        Ok(seconds @ 1..) => Duration::from_secs(seconds).clamp(MIN_HINT, MAX_HINT) / ATTEMPTS,
        _ => DEFAULT_INTERVAL,
    };
    if has_failed { regular.min(RETRY) } else { regular }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_are_fetched_four_times_within_their_hint() {
        for (hint, failed, seconds) in [
            (Some(300), false, 75),
            (Some(300), true, 60),
            (Some(120), true, 30),
            (Some(1), false, 15),
            (Some(0), false, 300),
            (Some(-5), false, 300),
            (Some(0), true, 60),
            (Some(i64::MAX), false, 6 * 60 * 60),
            (None, true, 60),
            (None, false, 60),
        ] {
            assert_eq!(interval(hint, failed), Duration::from_secs(seconds), "{hint:?} {failed}");
        }
    }
}
