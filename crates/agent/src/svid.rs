//! The SVIDs that workloads get: which are kept, when they are renewed.

mod cache;
mod jwt;
mod renew;
mod rotation;

pub(crate) use cache::{Cache, Identity, Snapshot};
pub(crate) use jwt::JwtCache;
pub(crate) use renew::{BATCH, Renewal, renew_svids};
pub(crate) use rotation::Rotation;
