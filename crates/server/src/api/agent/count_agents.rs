//! `CountAgents`.

use std::sync::Arc;

use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_store::Page;
use tonic::{Code, Status};

use super::list_agents::{filter, sees};
use crate::api::call::Call;
use crate::api::status::Failure;
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::CountAgentsRequest,
) -> Result<pb::CountAgentsResponse, Status> {
    let asked = request.filter.unwrap_or_default();
    let asked = pb::list_agents_request::Filter {
        by_attestation_type: asked.by_attestation_type,
        by_selector_match: asked.by_selector_match,
        by_banned: asked.by_banned,
        by_can_reattest: asked.by_can_reattest,
        by_expires_before: asked.by_expires_before,
    };
    let filter = filter(call, asked, "failed to count agents")?;
    let count = if call.sees_everything() {
        core.store.read("node.count", move |tx| tx.count_nodes(&filter)).await
    } else {
        let nodes = core.store.read("node.list", move |tx| tx.nodes(&filter, &Page::default())).await;
        nodes.map(|nodes| nodes.items.iter().filter(|node| sees(call, node)).count() as u64)
    };
    let count = count.map_err(|error| Failure::of(Code::Internal, "failed to count agents", error))?;
    Ok(pb::CountAgentsResponse { count: i32::try_from(count).unwrap_or(i32::MAX) })
}
