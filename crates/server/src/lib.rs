//! The SPIFFE server: APIs, operations, jobs.
//!
//! A [`Server`] is made of its [`Settings`] and [`Parts`]: `Server::new` opens and binds, `run` serves until the shutdown.

mod access;
mod api;
mod authorities;
mod authority_store;
mod bundle_endpoint;
pub mod config;
mod core;
mod denials;
mod entries;
mod federation;
mod health;
mod identity;
mod jobs;
mod joins;
mod metrics;
mod native;
mod ops;
mod parts;
mod publishing;
mod server;
mod states;

pub use access::issuers::facts as token_facts;
pub use access::{AccessSettings, KeySource, TokenIssuer};
pub use api::{Rate, RateSettings, Row, TABLE, explain_by};
pub use bundle_endpoint::{AcmeSettings, BundleEndpointProfile, BundleEndpointSettings, ServingCertFile};
pub use core::{FollowSettings, PruneNodesSettings, Settings};
pub use federation::FederationSettings;
pub use native::FAMILIES;
pub use parts::{CallMetrics, LogControl, Parts};
pub use server::{Server, ServerError};
pub use steeple_explain::Redact;
