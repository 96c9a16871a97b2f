//! `CreateJoinToken`.

use std::sync::Arc;
use std::time::Duration;

use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_proto::spire::api::types;
use tonic::{Code, Status};

use crate::api::call::Call;
use crate::api::convert::workload_id;
use crate::api::status::Failure;
use crate::core::Core;
use crate::ops::agent::join_token;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::CreateJoinTokenRequest,
) -> Result<types::JoinToken, Status> {
    let ttl = u64::try_from(request.ttl).ok().filter(|ttl| *ttl > 0);
    let ttl = ttl.ok_or_else(|| Failure::new(Code::InvalidArgument, "ttl is required, you must provide one"))?;
    call.asks("ttl", request.ttl);
    let agent_id = match &request.agent_id {
        Some(id) => {
            let id = workload_id(core.trust_domain(), Some(id));
            Some(id.map_err(|error| Failure::malformed("invalid agent ID", error))?)
        }
        None => None,
    };
    if let Some(id) = &agent_id {
        call.asks("spiffe_id", id.as_str());
    }
    let token = join_token::create(core, call, request.token, Duration::from_secs(ttl), agent_id).await?;
    Ok(types::JoinToken { value: token.token, expires_at: token.expires_at.as_second() })
}
