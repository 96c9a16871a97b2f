//! The Agent service.

mod attest_agent;
mod ban_agent;
mod count_agents;
mod create_join_token;
mod delete_agent;
mod get_agent;
mod list_agents;
mod post_status;
mod renew_agent;

use std::pin::Pin;
use std::sync::Arc;

use steeple_audit::Actor;
use steeple_crypto::x509::Csr;
use steeple_policy::access::Object;
use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_types::SpiffeId;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::call::Call;
use super::convert::id_to_pb;
use super::status::Failure;
use crate::core::Core;

pub(super) struct Service(pub(super) Arc<Core>);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl pb::agent_server::Agent for Service {
    type AttestAgentStream = Answers<pb::AttestAgentResponse>;

    async fn count_agents(
        &self,
        request: Request<pb::CountAgentsRequest>,
    ) -> Result<Response<pb::CountAgentsResponse>, Status> {
        let call = Call::of(&request)?;
        count_agents::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn list_agents(
        &self,
        request: Request<pb::ListAgentsRequest>,
    ) -> Result<Response<pb::ListAgentsResponse>, Status> {
        let call = Call::of(&request)?;
        list_agents::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn get_agent(&self, request: Request<pb::GetAgentRequest>) -> Result<Response<types::Agent>, Status> {
        let call = Call::of(&request)?;
        get_agent::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn delete_agent(&self, request: Request<pb::DeleteAgentRequest>) -> Result<Response<()>, Status> {
        let call = Call::of(&request)?;
        delete_agent::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn ban_agent(&self, request: Request<pb::BanAgentRequest>) -> Result<Response<()>, Status> {
        let call = Call::of(&request)?;
        ban_agent::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn attest_agent(
        &self,
        request: Request<Streaming<pb::AttestAgentRequest>>,
    ) -> Result<Response<Self::AttestAgentStream>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(attest_agent::handle(Arc::clone(&self.0), call, request)))
    }

    async fn renew_agent(
        &self,
        request: Request<pb::RenewAgentRequest>,
    ) -> Result<Response<pb::RenewAgentResponse>, Status> {
        let call = Call::of(&request)?;
        renew_agent::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn create_join_token(
        &self,
        request: Request<pb::CreateJoinTokenRequest>,
    ) -> Result<Response<types::JoinToken>, Status> {
        let call = Call::of(&request)?;
        create_join_token::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn post_status(
        &self,
        request: Request<pb::PostStatusRequest>,
    ) -> Result<Response<pb::PostStatusResponse>, Status> {
        let call = Call::of(&request)?;
        post_status::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }
}

/// Decides about an agent as it is stored.
async fn may(core: &Core, call: &Call, id: &SpiffeId) -> Result<Actor, Failure> {
    if call.sees_everything() {
        return call.may(&[]);
    }
    let asked = id.clone();
    let node = core.store.read("node.fetch", move |tx| tx.node(&asked)).await;
    let node = node.map_err(|error| Failure::of(Code::Internal, "failed to fetch agent", error))?;
    call.may(&[Object::Agent(id, node.as_ref().map(|node| &node.selectors))])
}

/// The request for an agent's SVID. Its signature is not checked, as in SPIRE: agents prove themselves by attestation.
fn agent_csr(csr: &[u8]) -> Result<Csr, Failure> {
    Csr::from_der(csr).map_err(|error| Failure::malformed("failed to parse CSR", error))
}

fn svid_to_pb(svid: steeple_ca::X509Svid) -> types::X509svid {
    types::X509svid {
        id: Some(id_to_pb(&svid.id)),
        expires_at: svid.expires_at.as_second(),
        cert_chain: svid.chain,
        hint: String::new(),
    }
}
