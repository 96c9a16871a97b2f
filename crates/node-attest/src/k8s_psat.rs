//! `k8s_psat`: a projected service account token, which the cluster's API server vouches for.
//!
//! The agent's pod holds a token whose audience is the SPIRE server. The API server says which service account and
//! pod it was made for; the pod says which node the agent runs on.

mod agent;
mod review;
mod server;

pub use agent::{K8sPsatAgent, K8sPsatAgentConfig};
pub use server::{K8sPsatCluster, K8sPsatServer};

use serde::{Deserialize, Serialize};
use steeple_k8s::{Permission, Scope};
use zeroize::Zeroizing;

const NAME: &str = "k8s_psat";

/// What the server's half asks of an API server, for agents in the server's own namespace.
pub const PERMISSIONS: &[Permission] = &[
    Permission {
        group: "authentication.k8s.io",
        resource: "tokenreviews",
        names: &[],
        verbs: &["create"],
        scope: Scope::Cluster,
        reason: "The token of an agent is vouched for.",
    },
    Permission {
        group: "",
        resource: "nodes",
        names: &[],
        verbs: &["get"],
        scope: Scope::Cluster,
        reason: "The node of an agent has the UID and the labels that make its ID and selectors.",
    },
    Permission {
        group: "",
        resource: "pods",
        names: &[],
        verbs: &["get"],
        scope: Scope::OwnNamespace,
        reason: "The pod of an agent tells which node it is on.",
    },
];

/// What an attestation opens with.
#[derive(Serialize, Deserialize)]
struct Payload {
    #[serde(default)]
    cluster: String,
    #[serde(default)]
    token: Zeroizing<String>,
}

#[cfg(test)]
mod tests;
