//! Bundle publishers and notifiers: the bundle of the server's trust domain, where workloads of a cluster read it.

pub mod cluster_trust_bundle;
pub mod configmap;
mod format;
pub mod k8sbundle;
mod publisher;
#[cfg(test)]
mod testing;

pub use format::{Format, FormatError};
pub use publisher::{Destination, K8sPublisher};
