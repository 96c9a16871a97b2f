//! `DeleteAgent`.

use std::sync::Arc;

use steeple_proto::spire::api::server::agent::v1 as pb;
use tonic::Status;

use super::may;
use crate::api::call::Call;
use crate::api::convert::agent_id;
use crate::api::status::Failure;
use crate::core::Core;
use crate::ops::agent::delete;

pub(super) async fn handle(core: &Arc<Core>, call: &Call, request: pb::DeleteAgentRequest) -> Result<(), Status> {
    let id = agent_id(core.trust_domain(), request.id.as_ref());
    let id = id.map_err(|error| Failure::malformed("invalid agent ID", error))?;
    call.asks("spiffe_id", id.as_str());
    let actor = may(core, call, &id).await?;
    Ok(delete::delete(core, actor, id).await?)
}
