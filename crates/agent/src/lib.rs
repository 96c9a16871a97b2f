//! The SPIFFE agent: joining, syncing, the Workload API, SDS.
//!
//! An [`Agent`] is made of its [`Settings`] and [`Parts`]: `Agent::new` reads what it remembers, `run` joins the trust domain
//! and serves until the shutdown.

mod agent;
mod api;
pub mod config;
mod core;
mod explain;
mod health;
mod identity;
mod join;
mod limits;
mod manage;
mod native;
mod parts;
mod pods;
mod refusals;
mod server;
mod settings;
pub mod state;
mod svid;
mod sync;
mod troubles;
mod workload;

pub use self::core::Progress;
pub use agent::{Agent, AgentError};
pub use api::table;
pub use manage::Ended;
pub use native::FAMILIES;
pub use parts::Parts;
pub use steeple_explain::Redact;

pub use settings::{Bootstrap, Rebootstrap, RebootstrapMode, SdsNames, Settings};
