//! The SPIFFE server: APIs, operations, jobs.
//!
//! A [`Server`] is made of its [`Settings`] and [`Parts`]: `Server::new` opens and binds, `run` serves until the shutdown.

mod api;
mod authorities;
mod authority_store;
pub mod config;
mod core;
mod entries;
mod health;
mod identity;
mod jobs;
mod joins;
mod ops;
mod parts;
mod publishing;
mod server;

pub use api::{Rate, RateSettings, Row, TABLE};
pub use core::{PruneNodesSettings, Settings};
pub use parts::{CallMetrics, LogControl, Parts};
pub use server::{Server, ServerError};
