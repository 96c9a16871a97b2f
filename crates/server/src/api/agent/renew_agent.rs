//! `RenewAgent`.

use std::sync::Arc;

use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_proto::spire::api::types::permission_denied_details::Reason;
use tonic::{Code, Status};
use tracing::info;

use super::{agent_csr, svid_to_pb};
use crate::api::access_log::fields::digest;
use crate::api::call::Call;
use crate::api::status::{Failure, denied};
use crate::core::Core;
use crate::ops::agent::renew;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::RenewAgentRequest,
) -> Result<pb::RenewAgentResponse, Status> {
    if let Some(params) = request.params.as_ref().filter(|params| !params.csr.is_empty()) {
        call.asks("csr", digest(&params.csr));
    }
    let id = call.caller_id()?;
    let node = core.entries.read(|index| index.node(id).cloned()).await;
    let node = node.map_err(|error| Failure::of(Code::Internal, "failed to fetch agent", error))?;
    let node = node.ok_or_else(|| Failure::new(Code::NotFound, "agent not found"))?;
    if node.can_reattest {
        return Err(denied("agent must reattest instead of renew", Reason::AgentMustReattest));
    }
    info!("Renewing agent SVID");
    let params = request.params.ok_or_else(|| Failure::new(Code::InvalidArgument, "params cannot be nil"))?;
    if params.csr.is_empty() {
        return Err(Failure::new(Code::InvalidArgument, "missing CSR").into());
    }
    let svid = renew::renew(core, call.own_actor()?, id, &agent_csr(&params.csr)?).await?;
    Ok(pb::RenewAgentResponse { svid: Some(svid_to_pb(svid)) })
}
