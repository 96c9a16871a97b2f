//! The rig of the interop cases: starts real programs, talks to them as a person would, and waits for what they say.
//!
//! A scenario is written once, as a function of a [`Rig`], and [`pairings!`] runs it for each pair of server and agent:
//! Go SPIRE with Go SPIRE (which proves the scenario), Go with ours, ours with Go, ours with ours.
#![expect(clippy::disallowed_methods, reason = "whole programs are tested on the machine's clock")]
#![expect(clippy::unnecessary_debug_formatting, reason = "configurations want quoted paths")]

mod agent;
pub mod command;
pub mod container;
pub mod mask;
mod pairing;
pub mod pebble;
pub mod peer;
pub mod pki;
pub mod poll;
mod port;
mod process;
mod product;
pub mod provider;
mod proxy;
mod rig;
mod server;
mod tunnel;

pub use agent::{Agent, AgentSettings, Join};
pub use pairing::{GO, MIXED, OURS, Pair, run, run_server, with_peers};
pub use port::free_port;
pub use process::Process;
pub use product::Product;
pub use proxy::Proxy;
pub use rig::{Rig, TRUST_DOMAIN};
pub use server::{Server, ServerSettings};
pub use tunnel::Tunnel;

/// The SPIFFE ID of `path` in the rig's trust domain.
pub fn rig_id(path: &str) -> String {
    format!("spiffe://{TRUST_DOMAIN}/{path}")
}
