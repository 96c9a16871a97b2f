//! The CSI driver `csi.spiffe.io`: sockets of the node's agent as inline volumes of pods.
//!
//! A volume shows either the folder of the agent's public socket, as spiffe-csi gives it, or, with the attribute
//! [`SOCKET_ATTRIBUTE`] set to `pod`, the folder of a socket that the agent opened for this pod alone. What the driver knows
//! of a pod is what the kubelet tells with the mount; it needs no access to the API server and no network.

mod driver;
mod identity;
pub mod mountinfo;
mod mounts;
mod node;
mod pod_sockets;
mod probe;
mod publish;
mod registration;
mod request;
pub mod target;
mod unpublish;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "what a test starts ends with it")]
mod testing;

pub use driver::{CsiError, Driver, DriverConfig, KubeletRegistration, PodSocketsConfig};
pub use mounts::{Mounts, SystemMounts};
pub use probe::probe;
pub use request::SOCKET_ATTRIBUTE;
