//! Which registration entries the objects of a Kubernetes cluster ask for.
//!
//! Here are the custom resources and the rules, without I/O: what reads them from an API server and writes entries to a
//! server is the controller.

pub mod crd;
mod owned;

pub use owned::{OwnedIds, Ownership};
