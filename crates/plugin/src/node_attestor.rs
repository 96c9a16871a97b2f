//! Node attestors: the agent's half proves what a node is, the server's half checks it.

use std::net::IpAddr;

use async_trait::async_trait;

use crate::PluginError;

/// The agent's half of a node attestor.
#[async_trait]
pub trait AgentNodeAttestor: Send + Sync {
    /// Name of the plugin, such as `x509pop`; it is the type of the attestation.
    fn name(&self) -> &str;

    /// Begins an attempt to attest.
    ///
    /// # Errors
    /// [`PluginError`] when the proof can't be had.
    async fn begin(&self) -> Result<Box<dyn AttestationAttempt>, PluginError>;
}

/// One attempt of an agent to attest.
#[async_trait]
pub trait AttestationAttempt: Send {
    /// What the attempt opens with; never empty.
    fn payload(&self) -> Vec<u8>;

    /// Answers a challenge of the server.
    ///
    /// # Errors
    /// [`PluginError`] when the challenge is ill-formed or can't be answered.
    async fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, PluginError>;
}

/// Where an attestation comes from, as far as the server can tell.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Address of the peer.
    pub address: Option<IpAddr>,
    /// `:authority` of the call; whatever the peer wrote there.
    pub untrusted_host: Option<String>,
}

/// The server's side of the conversation with an agent that attests.
#[async_trait]
pub trait Conversation: Send {
    /// Sends a challenge and waits for its answer.
    ///
    /// # Errors
    /// [`PluginError`] when the agent went away or did not answer in time.
    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, PluginError>;
}

/// What an attestation proved about a node. Only the operation that asked turns it into an ID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeClaims {
    /// Path of the agent's ID below `/spire/agent`, beginning with a slash: `/x509pop/<fingerprint>`.
    pub agent_path: String,
    /// Values of the node's selectors; their type is the plugin's name.
    pub selector_values: Vec<String>,
    /// Whether the node can attest again by the same means.
    pub can_reattest: bool,
    /// A join token that this attestation uses up.
    pub join_token: Option<String>,
}

/// The server's half of a node attestor.
#[async_trait]
pub trait NodeAttestor: Send + Sync {
    /// Name of the plugin, such as `x509pop`.
    fn name(&self) -> &str;

    /// Checks the proof that begins with `payload`, which is untrusted.
    ///
    /// # Errors
    /// [`PluginError`] whose class says whether the proof is ill-formed, insufficient or could not be checked.
    async fn attest(
        &self,
        payload: &[u8],
        origin: &Origin,
        conversation: &mut dyn Conversation,
    ) -> Result<NodeClaims, PluginError>;
}
