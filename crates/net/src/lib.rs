//! Listeners, peer credentials, mTLS, HTTP/2 authority filter.
//!
//! A listener is bound first and served later; each request carries the [`Peer`] of its connection in its extensions.

mod accept;
pub mod authority;
mod ending;
mod oversized;
mod peer;
mod proxy;
mod serve;
pub mod tcp;
pub mod uds;
pub mod web;

pub use authority::AuthorityFilter;
pub use ending::at_end;
pub use peer::{Callers, Peer, Process, UnixPeer, User};
pub use proxy::{TrustedProxies, source_of};
pub use serve::{Answers, Limits, serve_tls, serve_uds};
