//! `Explain`: why a workload has no identity, for operators.

use std::sync::Arc;

use steeple_explain::{Redact, Wanted, wire};
use steeple_net::{Peer, User};
use steeple_plugin::Place;
use steeple_proto::steeple::agent::explain::v1 as pb;
use steeple_proto::steeple::agent::explain::v1::explain_request::Workload;
use steeple_types::{EntryId, SpiffeId};
use tonic::{Request, Response, Status};
use tracing::info;

use crate::core::Core;
use crate::explain::{Question, Subject, answer};

/// Fewest digits that stand for a container.
const SHORTEST_ID: usize = 12;
/// Most selectors of a request; a workload has some dozens.
const MAX_SELECTORS: usize = 1_000;

pub(super) struct Service(pub(super) Arc<Core>);

#[tonic::async_trait]
impl pb::explain_server::Explain for Service {
    async fn explain(&self, request: Request<pb::ExplainRequest>) -> Result<Response<pb::ExplainResponse>, Status> {
        let redact = self.redact(request.extensions().get::<Peer>())?;
        let request = request.into_inner();
        let subject = subject(request.workload)?;
        let bad = |what: &str, error: &dyn std::fmt::Display| Status::invalid_argument(format!("{what}: {error}"));
        let entry_id = match request.entry_id.as_str() {
            "" => None,
            text => Some(EntryId::parse(text).map_err(|error| bad("invalid entry ID", &error))?),
        };
        let spiffe_id = match request.spiffe_id.as_str() {
            "" => None,
            text => Some(SpiffeId::parse(text).map_err(|error| bad("invalid SPIFFE ID", &error))?),
        };
        info!("Explain Called");
        answer(&self.0, Question { subject, wanted: Wanted { entry_id, spiffe_id }, redact }).await.map(Response::new)
    }
}

impl Service {
    /// What the caller is not told: root and the agent's own user are told everything.
    fn redact(&self, peer: Option<&Peer>) -> Result<Redact, Status> {
        let user = match peer {
            Some(Peer::Unix(peer)) => Some(User { uid: peer.uid, gid: peer.gid }),
            Some(Peer::User(user)) => Some(*user),
            _ => None,
        };
        let redact = self.0.settings.explain_redact;
        match user {
            Some(user) if user.is_root_or_own() => Ok(Redact::None),
            Some(_) if redact != Redact::All => Ok(redact),
            _ => Err(Status::permission_denied(
                "only root and the agent's own user may ask, since explain.redact of the agent's configuration is all",
            )),
        }
    }
}

fn subject(workload: Option<Workload>) -> Result<Subject, Status> {
    match workload {
        Some(Workload::Pid(pid)) => match u32::try_from(pid) {
            Ok(pid) if pid > 0 => Ok(Subject::Process(pid)),
            _ => Err(Status::invalid_argument(format!("{pid} is no process's PID"))),
        },
        Some(Workload::Selectors(selectors)) if selectors.selectors.len() > MAX_SELECTORS => {
            Err(Status::invalid_argument("more than 1,000 selectors"))
        }
        Some(Workload::Selectors(selectors)) => Ok(Subject::Selectors(wire::selectors_from_pb(&selectors.selectors))),
        Some(Workload::Reference(reference)) => Ok(Subject::Refused(reference)),
        Some(Workload::ContainerId(id)) => {
            if id.len() < SHORTEST_ID || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let text = format!("{id:?} is no container's ID, nor the first twelve digits of one");
                return Err(Status::invalid_argument(text));
            }
            Ok(Subject::Place(Place::Container(id.to_lowercase())))
        }
        Some(Workload::Pod(pb::Pod { namespace, name })) => Ok(Subject::Place(Place::Pod { namespace, name })),
        None => Err(Status::invalid_argument("no process, container, pod, selectors or reference is named")),
    }
}
