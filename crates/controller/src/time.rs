//! Time in the form of the API's objects, which have a version of `jiff` of their own.

use k8s_openapi::jiff::Timestamp;
use steeple_clock::Clock;

/// The time of day, to the microsecond.
pub(crate) fn now(clock: &Clock) -> Timestamp {
    Timestamp::from_microsecond(clock.now().as_microsecond()).unwrap_or_default()
}
