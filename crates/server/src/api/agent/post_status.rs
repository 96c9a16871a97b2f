//! `PostStatus`.

use std::sync::Arc;

use steeple_audit::EventKind;
use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_store::units::SetAgentVersion;
use tonic::{Code, Status};
use tracing::debug;

use crate::api::call::Call;
use crate::api::status::Failure;
use crate::core::Core;

/// Longest version taken, in bytes.
const MAX_VERSION: usize = 255;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::PostStatusRequest,
) -> Result<pb::PostStatusResponse, Status> {
    let id = call.caller_id()?.clone();
    call.asks("spiffe_id", id.as_str());
    let agent_version = request.agent_version;
    if agent_version.is_empty() {
        return Ok(pb::PostStatusResponse {});
    }
    if agent_version.len() > MAX_VERSION {
        let message = "agent version is too long (max 255 characters)";
        return Err(Failure::new(Code::InvalidArgument, message).into());
    }
    call.asks("agent_version", agent_version.as_str());
    let event = EventKind::AgentStatusPosted { id: id.clone(), agent_version: agent_version.clone() };
    let intent = core.audit.record(core.clock.now(), call.own_actor()?, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, "failed to update agent", error))?;
    let spiffe_id = id.to_string();
    let unit = SetAgentVersion { id, agent_version: agent_version.clone() };
    let written = intent.outcome(core.store.write(unit).await).await;
    written.map_err(|error| Failure::store("failed to update agent", &error))?;
    debug!(agent_version, spiffe_id, "Agent status updated");
    Ok(pb::PostStatusResponse {})
}
