//! `ExplainEntries`: which entries an agent is given, and why it is not given others.

use std::sync::Arc;

use steeple_explain::{
    Candidate, Facts, MAX_CANDIDATES, NodeFacts, NodeState, Parentage, Redact, ServerFacts, Wanted, Workload, explain,
    wire, without_values,
};
use steeple_policy::access::Object;
use steeple_proto::steeple::server::explain::v1 as pb;
use steeple_types::{AttestedNode, Entry, EntryId, SelectorSet, SpiffeId};
use tonic::{Code, Request, Response, Status};

use super::call::Call;
use super::convert::entry_to_pb;
use super::status::Failure;
use crate::core::Core;
use crate::entries::{Found, Search};

/// Most selectors of a request; a workload has some dozens.
const MAX_SELECTORS: usize = 1_000;

pub(super) struct Service(pub(super) Arc<Core>);

#[tonic::async_trait]
impl pb::explain_server::Explain for Service {
    async fn explain_entries(
        &self,
        request: Request<pb::ExplainEntriesRequest>,
    ) -> Result<Response<pb::ExplainEntriesResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = Asked::of(&call, request.get_ref(), self.0.settings.explain_redact)?;
        answer(&self.0, &call, asked).await.map(Response::new)
    }
}

/// What was asked.
struct Asked {
    agent: Option<SpiffeId>,
    selectors: SelectorSet,
    wanted: Wanted,
    /// What the caller is not told of entries that are not the agent's.
    redact: Redact,
}

impl Asked {
    fn of(call: &Call, request: &pb::ExplainEntriesRequest, redact: Redact) -> Result<Self, Status> {
        let malformed = |what: &str, error: &dyn std::fmt::Display| Failure::malformed(what, error.to_string());
        let id = |what: &str, text: &str| match text {
            "" => Ok(None),
            _ => SpiffeId::parse(text).map(Some).map_err(|error| malformed(what, &error)),
        };
        if request.selectors.len() > MAX_SELECTORS {
            return Err(Failure::new(Code::InvalidArgument, "more than 1,000 selectors").into());
        }
        let entry_id = match request.entry_id.as_str() {
            "" => None,
            text => Some(EntryId::parse(text).map_err(|error| malformed("invalid entry ID", &error))?),
        };
        let wanted = Wanted { entry_id, spiffe_id: id("invalid SPIFFE ID", &request.spiffe_id)? };
        let selectors = wire::selectors_from_pb(&request.selectors);
        let agent = id("invalid agent ID", &request.agent_id)?;
        let caller = call.caller.svid().map(|svid| &svid.id).filter(|id| id.is_agent());
        match (caller, agent) {
            (Some(own), Some(other)) if *own != other => {
                let text = format!("agent {own} may ask about itself only, not about {other}");
                Err(Failure::new(Code::PermissionDenied, &text).into())
            }
            (Some(own), _) => Ok(Self { agent: Some(own.clone()), selectors, wanted, redact }),
            (None, agent) => Ok(Self { agent, selectors, wanted, redact: Redact::None }),
        }
    }
}

async fn answer(core: &Arc<Core>, call: &Call, asked: Asked) -> Result<pb::ExplainEntriesResponse, Status> {
    let search = Search {
        agent: asked.agent.as_ref(),
        selectors: &asked.selectors,
        wanted: &asked.wanted,
        with_others: asked.redact != Redact::All,
    };
    let read = core.entries.read(|index| {
        let node = asked.agent.as_ref().and_then(|agent| index.node(agent).cloned());
        (node, index.search(&search))
    });
    let (node, found) = read.await.map_err(|error| Failure::of(Code::Internal, "failed to look for entries", error))?;
    let now = core.clock.now();
    let agent = asked.agent.clone().map(|id| NodeFacts { id, state: NodeState::of(node.as_deref(), now) });
    let mut found = found;
    found.candidates.retain(|(entry, ..)| call.sees(Object::Entry(entry, core.settings.lifetimes())));
    // Who may see some entries only is told of those, and nothing of what else there is.
    let node = node.filter(|_| call.sees_everything());
    let (candidates, elsewhere) = candidates(found, asked.redact);
    let facts = Facts {
        now,
        workload: Workload { selectors: asked.selectors, attestors: Vec::new() },
        wanted: asked.wanted,
        entries: candidates,
        agent: None,
        server: ServerFacts::Answered { agent, elsewhere, jwt_svids: core.settings.jwt_enabled },
        call: None,
    };
    Ok(response(&facts, node.as_deref()))
}

fn candidates(found: Found, redact: Redact) -> (Vec<Candidate>, usize) {
    let candidates = found.candidates.into_iter().take(MAX_CANDIDATES).map(|(entry, parentage, removed)| {
        let is_own = matches!(parentage, None | Some(Parentage::Own));
        let (entry, is_redacted) = match redact {
            Redact::None => (Entry::clone(&entry), false),
            Redact::Values | Redact::All => without_values(&entry, |_| !is_own),
        };
        Candidate { entry, is_whole: !is_redacted, parentage, removed, at_agent: None }
    });
    (candidates.collect(), found.elsewhere)
}

fn response(facts: &Facts, node: Option<&AttestedNode>) -> pb::ExplainEntriesResponse {
    let ServerFacts::Answered { agent, elsewhere, jwt_svids } = &facts.server else {
        return pb::ExplainEntriesResponse::default();
    };
    let candidate = |candidate: &Candidate| pb::Candidate {
        entry: Some(entry_to_pb(&candidate.entry, None)),
        parentage: candidate.parentage.as_ref().map(wire::parentage_to_pb),
        removed: candidate.removed,
        redacted: !candidate.is_whole,
    };
    pb::ExplainEntriesResponse {
        node: agent.as_ref().map(|agent| wire::node_to_pb(agent, node.map(|node| &node.selectors))),
        candidates: facts.entries.iter().map(candidate).collect(),
        elsewhere: u32::try_from(*elsewhere).unwrap_or(u32::MAX),
        jwt_svids: *jwt_svids,
        findings: explain(facts).into_iter().map(wire::finding_to_pb).collect(),
    }
}
