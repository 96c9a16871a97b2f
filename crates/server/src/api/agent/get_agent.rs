//! `GetAgent`.

use std::sync::Arc;

use steeple_policy::access::Object;
use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_proto::spire::api::types;
use tonic::{Code, Status};

use crate::api::call::Call;
use crate::api::convert::{agent_id, node_to_pb};
use crate::api::status::Failure;
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::GetAgentRequest,
) -> Result<types::Agent, Status> {
    let id = agent_id(core.trust_domain(), request.id.as_ref());
    let id = id.map_err(|error| Failure::malformed("invalid agent ID", error))?;
    call.asks("spiffe_id", id.as_str());
    let asked = id.clone();
    let node = core.store.read("node.fetch", move |tx| tx.node(&asked)).await;
    let node = node.map_err(|error| Failure::of(Code::Internal, "failed to fetch agent", error))?;
    call.may(&[Object::Agent(&id, node.as_ref().map(|node| &node.selectors))])?;
    let node = node.ok_or_else(|| Failure::new(Code::NotFound, "agent not found"))?;
    Ok(node_to_pb(&node, request.output_mask.as_ref()))
}
