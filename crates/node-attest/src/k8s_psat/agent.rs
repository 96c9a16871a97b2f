//! The agent's half: shows the token that its pod was given.

use std::path::PathBuf;

use async_trait::async_trait;
use steeple_plugin::{AgentNodeAttestor, AttestationAttempt, ErrorClass, PluginError};
use zeroize::Zeroizing;

use super::{NAME, Payload};
use crate::error;

/// What the agent's half is told by its configuration.
#[derive(Clone, Debug)]
pub struct K8sPsatAgentConfig {
    /// Name by which the server knows the cluster (`cluster`).
    pub cluster: String,
    /// File of the projected token (`token_path`).
    pub token_path: PathBuf,
}

impl K8sPsatAgentConfig {
    /// Where SPIRE's manifests put the token.
    pub const DEFAULT_TOKEN_PATH: &str = "/var/run/secrets/tokens/spire-agent";
}

/// The agent's half. The token is read at each attempt: the kubelet renews it.
pub struct K8sPsatAgent {
    config: K8sPsatAgentConfig,
}

impl K8sPsatAgent {
    /// An attestor that shows what the token's file holds at the time.
    ///
    /// # Errors
    /// [`PluginError`] when no cluster is named.
    pub fn new(config: K8sPsatAgentConfig) -> Result<Self, PluginError> {
        if config.cluster.is_empty() {
            return Err(error(NAME, ErrorClass::Malformed, "missing required cluster block"));
        }
        Ok(Self { config })
    }

    fn token(&self) -> Result<Zeroizing<String>, PluginError> {
        let path = self.config.token_path.display();
        let unloadable =
            |reason: String| error(NAME, ErrorClass::Malformed, format!("unable to load token from {path}: {reason}"));
        let read = std::fs::read_to_string(&self.config.token_path);
        let token = Zeroizing::new(read.map_err(|reason| unloadable(format!("open {path}: {reason}")))?);
        if token.is_empty() {
            return Err(unloadable(format!("\"{path}\" is empty")));
        }
        Ok(token)
    }
}

#[async_trait]
impl AgentNodeAttestor for K8sPsatAgent {
    fn name(&self) -> &str {
        NAME
    }

    async fn begin(&self) -> Result<Box<dyn AttestationAttempt>, PluginError> {
        let payload = Payload { cluster: self.config.cluster.clone(), token: self.token()? };
        let payload = serde_json::to_vec(&payload).map_err(|reason| {
            error(NAME, ErrorClass::Internal, format!("unable to marshal PSAT token data: {reason}"))
        })?;
        Ok(Box::new(Attempt { payload: Zeroizing::new(payload) }))
    }
}

struct Attempt {
    payload: Zeroizing<Vec<u8>>,
}

#[async_trait]
impl AttestationAttempt for Attempt {
    fn payload(&self) -> Vec<u8> {
        self.payload.to_vec()
    }

    async fn respond(&mut self, _challenge: &[u8]) -> Result<Vec<u8>, PluginError> {
        Err(error(NAME, ErrorClass::Internal, "server issued unexpected challenge"))
    }
}
