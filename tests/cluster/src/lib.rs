//! The rig of the cluster cases: one Kubernetes cluster for the run, steeple installed on it, a namespace for each case.
//!
//! Cases share the cluster and the installation and run side by side. One that disturbs what the others use, such as by
//! killing the server, is written with [`alone`] instead of [`case`].
#![expect(clippy::disallowed_methods, reason = "a whole cluster is tested on the machine's clock")]

pub mod audit;
mod case;
mod cluster;
pub mod guide;
mod image;
mod installation;
pub mod mesh;
mod node;
mod outcome;
pub mod peer;
mod stand;
pub mod until;
mod workload;

pub use case::{Case, alone, bare, case, case_with, empty};
pub use cluster::Cluster;
pub use image::{add_program, base, pack_steeple};
pub use installation::{Entry, NAMESPACE, TRUST_DOMAIN, agents, ask, rolled_out, rolled_out_in, server};
pub use node::Node;
pub use outcome::Outcome;
pub use stand::Stand;
pub use workload::{SLEEP, SOCKET, Workload};

/// The SPIFFE ID of `path` in the trust domain of the installation.
pub fn id(path: &str) -> String {
    format!("spiffe://{TRUST_DOMAIN}/{path}")
}
