//! How Kubernetes is reached.
//!
//! The API's objects and the client come from `kube`; here is how a client is made, with bounds for its waits.

mod api;
#[cfg(feature = "fake")]
pub mod fake;

pub use api::{ApiServer, ConnectError};
