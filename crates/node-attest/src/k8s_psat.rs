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
use zeroize::Zeroizing;

const NAME: &str = "k8s_psat";

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
