//! The agent with a real server behind a wire that can be cut, a manual clock, and workloads on its real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::match_wild_err_arm,
    reason = "a test fails by panicking"
)]
#![expect(clippy::disallowed_methods, reason = "a test is its own supervisor")]
#![expect(clippy::unnecessary_literal_bound, reason = "the trait says so")]
#![expect(clippy::default_trait_access, reason = "requests without a field")]

mod admin;
mod bench;
mod bootstrap;
mod bundles;
mod denials;
mod entries;
mod explain;
mod health;
mod jwt_svids;
mod limits;
mod membership;
mod metrics;
mod nodes;
mod oversized;
mod pod_sockets;
mod rebootstrap;
mod sds;
mod sds_delta;
mod servers;
mod taints;
mod validate_jwt;
mod wire;
mod workload_api;
mod x509_svids;
