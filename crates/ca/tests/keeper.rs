//! The keeper over real keys, a fake datastore and a manual clock.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "keeper/bench.rs"]
mod bench;
#[path = "keeper/requests.rs"]
mod requests;
#[path = "keeper/restart.rs"]
mod restart;
#[path = "keeper/rotation.rs"]
mod rotation;
#[path = "keeper/upstream.rs"]
mod upstream;
#[path = "keeper/upstream_bundle.rs"]
mod upstream_bundle;
