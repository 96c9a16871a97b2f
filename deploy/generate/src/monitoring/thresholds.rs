//! From where on an alert fires: defaults, all in one place.

/// Part of the requests that may fail: 99.9 % succeed.
pub(super) const ERROR_BUDGET: f64 = 0.001;
/// Part of the calls that may be slow…
pub(super) const SLOW_BUDGET: f64 = 0.01;
/// …which they are beyond so many seconds, a bound of the histogram.
pub(super) const SLOW_CALL: f64 = 0.25;
/// Part of attestations that may be refused, or fail on a node.
pub(super) const REFUSED_RATIO: f64 = 0.2;
/// Seconds that a synchronisation may take: the pause between two.
pub(super) const SLOW_SYNC: f64 = 5.0;
/// Seconds that an agent may be without its server.
pub(super) const AGENT_LAG: f64 = 60.0;
/// Part of an agent's SVID's life that should be left; it is renewed at half.
pub(super) const SVID_LEFT: f64 = 0.25;
/// Part of an authority's life at which the next should be prepared; it is at half.
pub(super) const AUTHORITY_SOON: f64 = 0.33;
/// Part of it at which the next should sign; it does at a sixth.
pub(super) const AUTHORITY_CRITICAL: f64 = 0.1;
/// Failures of rotation in a row.
pub(super) const ROTATION_FAILURES: u32 = 2;
/// Seconds that the datastore may take to answer.
pub(super) const SLOW_DATASTORE: f64 = 0.1;
/// Part of the audit trail's disk that should be free.
pub(super) const DISK_LOW: f64 = 0.2;
/// Part of it below which somebody is woken.
pub(super) const DISK_CRITICAL: f64 = 0.05;
/// Seconds that a sink of the audit trail may be behind.
pub(super) const SINK_LAG: u32 = 300;
/// How many times as many denials as in a day on average…
pub(super) const DENIED_FACTOR: u32 = 10;
/// …and how many at least in five minutes.
pub(super) const DENIED_COUNT: u32 = 20;
