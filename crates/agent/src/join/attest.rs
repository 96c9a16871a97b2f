//! Attestation of this node to the server.

use std::sync::Arc;

use steeple_crypto::keys::{KeyType, Signer};
use steeple_crypto::x509::{Name, csr_to_be_signed, finish_csr};
use steeple_plugin::{AgentNodeAttestor, KeyManager};
use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_proto::spire::api::server::agent::v1::agent_client::AgentClient;
use steeple_proto::spire::api::types;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::JoinError;
use crate::identity::AgentSvid;
use crate::state::Remembered;

const KEYS: [&str; 2] = ["agent-svid-A", "agent-svid-B"];

/// The key that is not in use.
pub(super) fn next_key(in_use: Option<&str>) -> &'static str {
    let [first, second] = KEYS;
    if in_use == Some(first) { second } else { first }
}

/// A request for the agent's SVID, signed by its key.
pub(super) async fn csr(signer: &dyn Signer) -> Result<Vec<u8>, JoinError> {
    let failed = |error: steeple_crypto::keys::KeyError| JoinError::Failed(format!("failed to create CSR: {error}"));
    let algorithm = signer.public_key().certificate_signature().map_err(failed)?;
    let body = csr_to_be_signed(&Name::of("US", "SPIRE"), signer.public_key(), &[], &[]);
    let signature = signer.sign(algorithm, &body).await.map_err(failed)?;
    Ok(finish_csr(&body, algorithm, &signature))
}

/// With which key to attest.
#[derive(Clone, Copy)]
pub(crate) enum AttestKey<'a> {
    /// A new one, in another place than the key that is in use.
    New(Option<&'a str>),
    /// That of an attempt whose answer never came, if there is one: the server may know it already.
    OfLostAttempt,
}

/// Attests over `channel` and yields the agent's SVID.
pub(crate) async fn attest(
    channel: Channel,
    attestor: &dyn AgentNodeAttestor,
    keys: &dyn KeyManager,
    which: AttestKey<'_>,
) -> Result<AgentSvid, JoinError> {
    let failed = |error: steeple_plugin::PluginError| JoinError::Failed(error.to_string());
    let (key_id, lost) = match which {
        AttestKey::New(in_use) => (next_key(in_use), None),
        AttestKey::OfLostAttempt => (next_key(None), keys.key(next_key(None)).await.map_err(failed)?),
    };
    let key = match lost {
        Some(key) => key,
        None => keys.generate_key(key_id, KeyType::EcP256).await.map_err(failed)?,
    };
    let csr = csr(&*key.signer).await?;
    let mut attempt = attestor.begin().await.map_err(failed)?;
    let data = types::AttestationData { r#type: attestor.name().to_owned(), payload: attempt.payload() };
    let params = pb::attest_agent_request::Params { data: Some(data), params: Some(pb::AgentX509svidParams { csr }) };
    let (sender, receiver) = mpsc::channel(1);
    let first = pb::AttestAgentRequest { step: Some(pb::attest_agent_request::Step::Params(params)) };
    let gone = |_| JoinError::Failed("attestation stream ended".to_owned());
    sender.send(first).await.map_err(gone)?;
    let mut answers = AgentClient::new(channel).attest_agent(ReceiverStream::new(receiver)).await?.into_inner();
    loop {
        let answer = answers.message().await?;
        let answer = answer.ok_or_else(|| JoinError::Failed("attestation stream ended without a result".to_owned()))?;
        match answer.step {
            Some(pb::attest_agent_response::Step::Challenge(challenge)) => {
                let response = attempt.respond(&challenge).await.map_err(failed)?;
                let step = Some(pb::attest_agent_request::Step::ChallengeResponse(response));
                sender
                    .send(pb::AttestAgentRequest { step })
                    .await
                    .map_err(|_| JoinError::Failed("attestation stream ended".to_owned()))?;
            }
            Some(pb::attest_agent_response::Step::Result(result)) => {
                let chain = result.svid.map(|svid| svid.cert_chain).unwrap_or_default();
                return AgentSvid::new(chain, key.signer, key_id.to_owned(), result.reattestable).ok_or_else(|| {
                    JoinError::Failed("the server's answer holds no SVID for the agent's key".to_owned())
                });
            }
            None => return Err(JoinError::Failed("the server's answer is empty".to_owned())),
        }
    }
}

/// The SVID of an earlier run, if its key is still there.
pub(crate) async fn restore(
    remembered: &Remembered,
    keys: &Arc<dyn KeyManager>,
) -> Result<Option<AgentSvid>, JoinError> {
    if remembered.svid.is_empty() {
        return Ok(None);
    }
    let keys = keys.keys().await.map_err(|error| JoinError::Failed(error.to_string()))?;
    let found = keys
        .into_iter()
        .find_map(|key| AgentSvid::new(remembered.svid.clone(), key.signer, key.id, remembered.reattestable));
    Ok(found)
}
