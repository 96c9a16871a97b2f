//! What is told of the life of authorities, for those who count.

use std::time::Duration;

use jiff::Timestamp;

use super::{AuthorityKind, KeeperError};

/// Counts what becomes of authorities.
pub trait AuthorityMetrics: Send + Sync {
    /// An authority was to be prepared, which took `elapsed`.
    fn prepared(&self, kind: AuthorityKind, outcome: Result<(), &KeeperError>, elapsed: Duration);

    /// An authority that ends at `not_after` has begun to sign.
    fn activated(&self, kind: AuthorityKind, not_after: Timestamp);
}
