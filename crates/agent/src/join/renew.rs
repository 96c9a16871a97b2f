//! Renewal of the agent's SVID.

use steeple_crypto::keys::KeyType;
use steeple_plugin::KeyManager;
use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_proto::spire::api::server::agent::v1::agent_client::AgentClient;
use tonic::transport::Channel;

use super::JoinError;
use super::attest::{csr, next_key};
use crate::identity::AgentSvid;

/// Asks for a new SVID on the strength of the current one.
pub(crate) async fn renew(
    channel: Channel,
    keys: &dyn KeyManager,
    current: &AgentSvid,
) -> Result<AgentSvid, JoinError> {
    let key_id = next_key(Some(&current.key_id));
    let key = keys.generate_key(key_id, KeyType::EcP256).await;
    let key = key.map_err(|error| JoinError::Failed(error.to_string()))?;
    let csr = csr(&*key.signer).await?;
    let request = pb::RenewAgentRequest { params: Some(pb::AgentX509svidParams { csr }) };
    let answer = AgentClient::new(channel).renew_agent(request).await?.into_inner();
    let chain = answer.svid.map(|svid| svid.cert_chain).unwrap_or_default();
    AgentSvid::new(chain, key.signer, key_id.to_owned(), current.reattestable)
        .ok_or_else(|| JoinError::Failed("the server's answer holds no SVID for the agent's key".to_owned()))
}
