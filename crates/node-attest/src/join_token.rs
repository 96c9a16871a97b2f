//! `join_token`: a token that a server made, good for one attestation.
//!
//! The payload is the token itself. Whether the server knows it is settled where the attestation is recorded, so that a
//! token is used up and its agent recorded in one step.

use async_trait::async_trait;
use steeple_plugin::{
    AgentNodeAttestor, AttestationAttempt, Conversation, ErrorClass, NodeAttestor, NodeClaims, Origin, PluginError,
};

use crate::error;

const NAME: &str = "join_token";
/// Longest token taken, in bytes.
const MAX_LENGTH: usize = 1024;

/// The agent's half.
pub struct JoinTokenAgent {
    token: String,
}

impl JoinTokenAgent {
    /// An attestor that shows `token`; empty when none was given.
    pub fn new(token: String) -> Self {
        Self { token }
    }
}

#[async_trait]
impl AgentNodeAttestor for JoinTokenAgent {
    fn name(&self) -> &str {
        NAME
    }

    async fn begin(&self) -> Result<Box<dyn AttestationAttempt>, PluginError> {
        if self.token.is_empty() {
            return Err(error(NAME, ErrorClass::Malformed, "join token was not provided"));
        }
        Ok(Box::new(Attempt { token: self.token.clone() }))
    }
}

struct Attempt {
    token: String,
}

#[async_trait]
impl AttestationAttempt for Attempt {
    fn payload(&self) -> Vec<u8> {
        self.token.clone().into_bytes()
    }

    async fn respond(&mut self, _challenge: &[u8]) -> Result<Vec<u8>, PluginError> {
        Err(error(NAME, ErrorClass::Internal, "server issued unexpected challenge"))
    }
}

/// The server's half.
#[derive(Default)]
pub struct JoinTokenServer;

#[async_trait]
impl NodeAttestor for JoinTokenServer {
    fn name(&self) -> &str {
        NAME
    }

    async fn attest(
        &self,
        payload: &[u8],
        _origin: &Origin,
        _conversation: &mut dyn Conversation,
    ) -> Result<NodeClaims, PluginError> {
        let token = std::str::from_utf8(payload)
            .ok()
            .filter(|token| !token.is_empty() && token.len() <= MAX_LENGTH)
            .ok_or_else(|| error(NAME, ErrorClass::Malformed, "join token is not text of 1 to 1024 bytes"))?;
        Ok(NodeClaims {
            agent_path: format!("/join_token/{token}"),
            join_token: Some(token.to_owned()),
            ..NodeClaims::default()
        })
    }
}
