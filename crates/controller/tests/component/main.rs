//! The controller between a fake of an API server and a real server with its SQLite file.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a test's own parts, which end with the test")]
#![expect(clippy::large_futures, clippy::needless_pass_by_value, reason = "a test is called once")]

mod bench;
mod election;
mod entries;
mod federation;
mod identities;
mod outages;
mod ownership;
mod scale;
mod webhook;
