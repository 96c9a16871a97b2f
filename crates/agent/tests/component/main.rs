//! The agent with a real server behind a wire that can be cut, a manual clock, and workloads on its real sockets.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod admin;
mod bench;
mod bootstrap;
mod bundles;
mod denials;
mod entries;
mod health;
mod jwt_svids;
mod membership;
mod metrics;
mod nodes;
mod sds;
mod sds_delta;
mod servers;
mod validate_jwt;
mod wire;
mod workload_api;
mod x509_svids;
