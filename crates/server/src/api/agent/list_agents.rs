//! `ListAgents`.

use std::sync::Arc;

use jiff::fmt::strtime;
use steeple_policy::access::Object;
use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_store::NodeFilter;
use steeple_types::AttestedNode;
use tonic::{Code, Status};

use crate::api::access_log::fields;
use crate::api::call::Call;
use crate::api::convert::{node_to_pb, page, selector_filter};
use crate::api::status::Failure;
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::ListAgentsRequest,
) -> Result<pb::ListAgentsResponse, Status> {
    let filter = filter(call, request.filter.unwrap_or_default(), "failed to list agents")?;
    let page = page(request.page_size, request.page_token);
    let nodes = core.store.read("node.list", move |tx| tx.nodes(&filter, &page)).await;
    let nodes = nodes.map_err(|error| Failure::of(Code::Internal, "failed to list agents", error))?;
    let mask = request.output_mask.as_ref();
    Ok(pb::ListAgentsResponse {
        agents: nodes.items.iter().filter(|node| sees(call, node)).map(|node| node_to_pb(node, mask)).collect(),
        next_page_token: nodes.next_token,
    })
}

/// Whether an agent may be shown.
pub(super) fn sees(call: &Call, node: &AttestedNode) -> bool {
    call.sees(Object::Agent(&node.id, Some(&node.selectors)))
}

/// The filter of `ListAgents` and `CountAgents`; `what` is told when it asks for no selectors, which in SPIRE the datastore
/// finds.
pub(super) fn filter(call: &Call, asked: pb::list_agents_request::Filter, what: &str) -> Result<NodeFilter, Failure> {
    if !asked.by_attestation_type.is_empty() {
        call.asks("node_attestor_type", asked.by_attestation_type.as_str());
    }
    if let Some(banned) = asked.by_banned {
        call.asks("by_banned", banned);
    }
    if let Some(can_reattest) = asked.by_can_reattest {
        call.asks("by_can_reattest", can_reattest);
    }
    if let Some(wanted) = &asked.by_selector_match {
        call.asks("by_selector_match", wanted.r#match().as_str_name());
        call.asks("by_selectors", fields::selectors(&wanted.selectors));
    }
    if asked.by_selector_match.as_ref().is_some_and(|wanted| wanted.selectors.is_empty()) {
        return Err(Failure::of(Code::Internal, what, "cannot list by empty selectors set"));
    }
    let selectors = asked.by_selector_match.as_ref().map(selector_filter).transpose();
    Ok(NodeFilter {
        banned: asked.by_banned,
        can_reattest: asked.by_can_reattest,
        selectors: selectors.map_err(|error| Failure::malformed("failed to parse selectors", error))?,
        // A time that can't be read is ignored, as in SPIRE.
        expires_before: expires_before_time(&asked.by_expires_before),
        attestation_type: Some(asked.by_attestation_type).filter(|kind| !kind.is_empty()),
    })
}

/// Reads a time as clients send it: `2006-01-02 15:04:05 -0700 -07`.
fn expires_before_time(text: &str) -> Option<jiff::Timestamp> {
    let without_zone_name = text.rsplit_once(' ')?.0;
    strtime::parse("%Y-%m-%d %H:%M:%S %z", without_zone_name).ok()?.to_timestamp().ok()
}
