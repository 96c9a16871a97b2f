//! What the server says.

use std::sync::Arc;
use std::time::Duration;

use steeple_client::describe_with_causes;
use steeple_explain::{Candidate, NodeFacts, NodeState, ServerFacts, Wanted, is_secret, wire};
use steeple_proto::spire::api::types::permission_denied_details::Reason;
use steeple_proto::steeple::server::explain::v1 as pb;
use steeple_proto::steeple::server::explain::v1::explain_client::ExplainClient;
use steeple_types::SelectorSet;
use tonic::{Code, Status};

use crate::core::Core;
use crate::join::denial_reason;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the server, if it can be reached, about this agent and a workload with these selectors.
pub(super) async fn ask(core: &Arc<Core>, selectors: &SelectorSet, wanted: &Wanted) -> (ServerFacts, Vec<Candidate>) {
    let request = pb::ExplainEntriesRequest {
        agent_id: String::new(),
        // What may be a secret stays on its node.
        selectors: selectors.iter().filter(|one| !is_secret(one)).map(wire::selector_to_pb).collect(),
        entry_id: wanted.entry_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        spiffe_id: wanted.spiffe_id.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    let channel = match core.server.channel() {
        Ok(channel) => channel,
        Err(error) => return (ServerFacts::Unreachable(error), Vec::new()),
    };
    let mut client = ExplainClient::new(channel);
    let asked = core.clock.timeout(PATIENCE, client.explain_entries(request)).await;
    match asked.unwrap_or_else(|_| Err(Status::deadline_exceeded("it did not answer in 5 s"))) {
        Ok(answer) => answered(&answer.into_inner()),
        Err(status) => (refused(core, &status), Vec::new()),
    }
}

fn answered(answer: &pb::ExplainEntriesResponse) -> (ServerFacts, Vec<Candidate>) {
    let server = ServerFacts::Answered {
        agent: answer.node.as_ref().and_then(wire::node_from_pb),
        elsewhere: usize::try_from(answer.elsewhere).unwrap_or(usize::MAX),
        jwt_svids: answer.jwt_svids,
    };
    (server, answer.candidates.iter().filter_map(wire::candidate_from_pb).collect())
}

fn refused(core: &Core, status: &Status) -> ServerFacts {
    let state = match denial_reason(status) {
        Some(Reason::AgentBanned) => Some(NodeState::Banned),
        Some(Reason::AgentNotAttested) => Some(NodeState::NotAttested),
        _ => None,
    };
    match (state, core.tls.svid()) {
        (Some(state), Some(svid)) => {
            let agent = Some(NodeFacts { id: svid.id.clone(), state });
            ServerFacts::Answered { agent, elsewhere: 0, jwt_svids: true }
        }
        // SPIRE's server, or an older one.
        _ if status.code() == Code::Unimplemented => ServerFacts::NotAsked,
        _ => ServerFacts::Unreachable(describe_with_causes(status)),
    }
}
