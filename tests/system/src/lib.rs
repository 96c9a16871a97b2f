//! The whole program, tested from outside: a rig of a server and an agent, and what SPIRE's commands say to one.
#![expect(clippy::disallowed_methods, reason = "whole programs are tested on the machine's clock")]

pub mod authority;
pub mod dev;
pub mod explain;
pub mod forced;
pub mod golden;
pub mod http;
pub mod life;
pub mod mask;
pub mod mounts;
pub mod pair;
pub mod party;
pub mod receiver;
pub mod rig;
