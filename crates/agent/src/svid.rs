//! The SVIDs that workloads get: which are kept, when they are renewed.

mod cache;
mod jwt;
mod renew;

pub(crate) use cache::{Cache, Identity, Snapshot};
pub(crate) use jwt::JwtCache;
pub(crate) use renew::{BATCH, renew_svids};
