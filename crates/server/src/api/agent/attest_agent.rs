//! `AttestAgent`: a conversation between an agent and a node attestor.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use steeple_plugin::{Conversation, ErrorClass, Origin, PluginError};
use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_proto::spire::api::types;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};
use tracing::{Instrument, error_span, info};

use super::{Answers, agent_csr, svid_to_pb};
use crate::api::call::{Call, Caller};
use crate::api::status::{Failure, plugin_code};
use crate::core::Core;
use crate::ops::agent::attest;

/// Longest an attestation may take from its first message to its result.
const DEADLINE: Duration = Duration::from_mins(1);

type Sender = mpsc::Sender<Result<pb::AttestAgentResponse, Status>>;

pub(super) fn handle(
    core: Arc<Core>,
    call: Call,
    request: Request<Streaming<pb::AttestAgentRequest>>,
) -> Answers<pb::AttestAgentResponse> {
    let (sender, receiver) = mpsc::channel(1);
    let origin = origin(&call);
    let mut stream = request.into_inner();
    let conversation = async move {
        let outcome = core.clock.timeout(DEADLINE, converse(&core, &call, &mut stream, &origin, &sender)).await;
        let answer =
            outcome.unwrap_or_else(|_| Err(Status::deadline_exceeded("attestation took longer than 1 minute")));
        // An agent that went away needs no answer.
        let _gone = sender.send(answer).await;
    };
    // The conversation is driven by the stream of its answers: it ends when the call does.
    let driven = futures::stream::once(conversation.instrument(tracing::Span::current())).filter_map(|()| None);
    Box::pin(futures::stream::select(driven, ReceiverStream::new(receiver)))
}

async fn converse(
    core: &Arc<Core>,
    call: &Call,
    stream: &mut Streaming<pb::AttestAgentRequest>,
    origin: &Origin,
    sender: &Sender,
) -> Result<pb::AttestAgentResponse, Status> {
    let first = stream.next().await;
    let first = first.ok_or_else(|| Failure::malformed("failed to receive request from stream", "EOF"))??;
    let (data, csr) = params(first).map_err(|reason| Failure::malformed("malformed param", reason))?;
    call.asks("node_attestor_type", data.r#type.as_str());
    let attestor = core.attestors.get(&data.r#type).ok_or_else(|| {
        let reason = format!("could not find node attestor type \"{}\"", data.r#type);
        Failure::of(Code::FailedPrecondition, "error getting node attestor", reason)
    })?;
    let csr = agent_csr(&csr)?;
    let mut talk = Talk { stream, sender, kind: data.r#type.clone() };
    let claims = attestor.attest(&data.payload, origin, &mut talk).await;
    let claims = claims.map_err(|error| Failure::new(plugin_code(error.class), error.to_string()))?;
    let reattestable = claims.can_reattest;
    let id = attest::agent_id(core, &claims)?;
    call.asks("agent_id", id.as_str());
    let named = error_span!("agent", agent_id = id.as_str(), node_attestor_type = data.r#type);
    let svid = attest::attest(core, &data.r#type, id, claims, &csr, call.own_actor()?).await;
    let svid = svid.map_err(|failure| named.in_scope(|| Status::from(failure)))?;
    if let Caller::Remote { address, .. } = &call.caller {
        info!(%address, agent_id = %svid.id, node_attestor_type = data.r#type, "Agent attestation request completed");
    }
    let result = pb::attest_agent_response::Result { svid: Some(svid_to_pb(svid)), reattestable };
    Ok(pb::AttestAgentResponse { step: Some(pb::attest_agent_response::Step::Result(result)) })
}

/// The attestation data and the CSR of the first message.
fn params(request: pb::AttestAgentRequest) -> Result<(types::AttestationData, Vec<u8>), &'static str> {
    let Some(pb::attest_agent_request::Step::Params(params)) = request.step else {
        return Err("missing params");
    };
    let data = params.data.ok_or("missing attestation data")?;
    let csr = params.params.ok_or("missing X509-SVID parameters")?.csr;
    if csr.is_empty() {
        return Err("missing CSR");
    }
    if data.r#type.is_empty() {
        return Err("missing attestation data type");
    }
    if data.payload.is_empty() {
        return Err("missing attestation data payload");
    }
    Ok((data, csr))
}

fn origin(call: &Call) -> Origin {
    match &call.caller {
        Caller::Remote { address, .. } => Origin { address: Some(address.ip()), untrusted_host: None },
        Caller::Local { .. } => Origin::default(),
    }
}

struct Talk<'a> {
    stream: &'a mut Streaming<pb::AttestAgentRequest>,
    sender: &'a Sender,
    kind: String,
}

#[async_trait]
impl Conversation for Talk<'_> {
    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, PluginError> {
        let lost = |text: &str| PluginError::new("nodeattestor", &self.kind, ErrorClass::Internal, text);
        let step = Some(pb::attest_agent_response::Step::Challenge(challenge));
        let sent = self.sender.send(Ok(pb::AttestAgentResponse { step })).await;
        sent.map_err(|_| lost("failed to send challenge to agent"))?;
        match self.stream.next().await {
            Some(Ok(pb::AttestAgentRequest {
                step: Some(pb::attest_agent_request::Step::ChallengeResponse(response)),
            })) => Ok(response),
            _ => Err(lost("failed to receive challenge from agent")),
        }
    }
}
