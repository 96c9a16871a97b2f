//! A node attestor that believes: what it is shown is the node's name. It can attest again.

use async_trait::async_trait;
use steeple_plugin::{
    AgentNodeAttestor, AttestationAttempt, Conversation, ErrorClass, NodeAttestor, NodeClaims, Origin, PluginError,
};

/// Both halves.
pub(crate) struct Believing;

fn error(message: &str) -> PluginError {
    PluginError::new("nodeattestor", "believing", ErrorClass::Malformed, message)
}

#[async_trait]
impl AgentNodeAttestor for Believing {
    fn name(&self) -> &str {
        "believing"
    }

    async fn begin(&self) -> Result<Box<dyn AttestationAttempt>, PluginError> {
        Ok(Box::new(Attempt))
    }
}

struct Attempt;

#[async_trait]
impl AttestationAttempt for Attempt {
    fn payload(&self) -> Vec<u8> {
        b"node".to_vec()
    }

    async fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, PluginError> {
        Ok(challenge.to_vec())
    }
}

#[async_trait]
impl NodeAttestor for Believing {
    fn name(&self) -> &str {
        "believing"
    }

    async fn attest(
        &self,
        payload: &[u8],
        _origin: &Origin,
        conversation: &mut dyn Conversation,
    ) -> Result<NodeClaims, PluginError> {
        if conversation.challenge(b"who".to_vec()).await? != b"who" {
            return Err(error("wrong answer"));
        }
        let name = String::from_utf8_lossy(payload);
        Ok(NodeClaims { agent_path: format!("/believing/{name}"), can_reattest: true, ..NodeClaims::default() })
    }
}
