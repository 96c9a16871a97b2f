//! The server over a real SQLite file, real keys and a manual clock; calls are made in the process, as any caller.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod attest_agent;
mod bench;
mod gate;
mod renew_agent;
