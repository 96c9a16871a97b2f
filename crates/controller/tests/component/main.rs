//! The controller between a fake of an API server and a real server with its SQLite file.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bench;
mod election;
mod entries;
mod federation;
mod identities;
mod outages;
mod ownership;
mod scale;
