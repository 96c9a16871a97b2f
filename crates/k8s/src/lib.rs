//! How Kubernetes is reached.
//!
//! The API's objects and the client come from `kube`; here is how a client is made, with bounds for its waits, and a
//! client of kubelets, which are no API servers: their certificates are often their own.

mod api;
mod collection;
#[cfg(feature = "fake")]
pub mod fake;
pub mod kubelet;
mod permission;
pub mod pod;
mod said;

pub use api::{ApiServer, ConnectError};
pub use collection::{Change, Collection, FollowError};
pub use permission::{Permission, Scope};
pub use said::said;
