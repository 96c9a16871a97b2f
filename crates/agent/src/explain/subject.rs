//! Whom it is about.

use std::sync::Arc;

use jiff::SignedDuration;
use steeple_explain::{RefusalReason, Workload};
use steeple_net::Process;
use steeple_plugin::{Occupant, Place};
use steeple_types::SelectorSet;
use tonic::Status;

use super::Seen;
use crate::core::Core;
use crate::refusals::process;
use crate::workload::Known;

/// How long a refusal counts when its process is asked about.
const RECENT: SignedDuration = SignedDuration::from_mins(5);

/// Whom it is about.
pub(crate) enum Subject {
    /// A process.
    Process(u32),
    /// The first process of a container or pod.
    Place(Place),
    /// Whoever has these selectors.
    Selectors(SelectorSet),
    /// Whoever was refused under this reference.
    Refused(String),
}

impl Subject {
    pub(super) async fn look(self, core: &Arc<Core>) -> Result<Seen, Status> {
        match self {
            Self::Process(pid) => look_at(core, pid).await,
            Self::Place(place) => {
                let occupant = core.attestation.find(&place).await.map_err(Status::not_found)?;
                let shown = match place {
                    Place::Container(id) => format!("container {id}"),
                    Place::Pod { namespace, name } => format!("pod {namespace}/{name}"),
                };
                match occupant {
                    Occupant::Pod(pod) => {
                        let attested = core.attestation.attest_caller(&pod).await;
                        let known = attested.unwrap_or_else(|attestors| Known { selectors: Vec::new(), attestors });
                        Ok(Seen { name: format!("{shown}, none of whose processes are seen"), ..of(known) })
                    }
                    Occupant::Processes(pids) => {
                        let first = pids.first().ok_or_else(|| Status::not_found(format!("{shown} has no process")))?;
                        let seen = look_at(core, *first).await?;
                        Ok(Seen { name: format!("{shown}, {}", seen.name), ..seen })
                    }
                }
            }
            Self::Selectors(selectors) => {
                let attestors = core.attestation.names(&selectors);
                let workload = Workload { selectors, attestors };
                Ok(Seen { name: "a workload with these selectors".to_owned(), workload, refusal: None })
            }
            Self::Refused(reference) => {
                let refusal = core.refusals.find(&reference).ok_or_else(|| {
                    let text = format!(
                        "no refusal {reference} is remembered: the agent keeps the last 1,000 until it is started again"
                    );
                    Status::not_found(text)
                })?;
                let workload = Workload {
                    selectors: refusal.selectors.iter().cloned().collect(),
                    attestors: refusal.attestors.clone(),
                };
                Ok(Seen { name: refusal.caller.clone(), workload, refusal: Some(refusal) })
            }
        }
    }
}

fn of(known: Known) -> Seen {
    let workload = Workload { selectors: known.selectors.into_iter().collect(), attestors: known.attestors };
    Seen { name: String::new(), workload, refusal: None }
}

/// What a process is, and why its last call was refused if that was not for want of an identity.
async fn look_at(core: &Arc<Core>, pid: u32) -> Result<Seen, Status> {
    let gone = |error| Status::not_found(format!("there is no process {pid} that the agent can see: {error}"));
    let held = Process::of_pid(pid).map_err(gone)?;
    let known = core.attestation.look(&held).await.map_err(gone)?;
    let name = match held.executable() {
        Some(path) => format!("{} ({})", process(pid), path.display()),
        None => process(pid),
    };
    let of_call = |reason: &RefusalReason| !matches!(reason, RefusalReason::NoIdentity | RefusalReason::NotAttested);
    let refusal = core.refusals.last_of(&process(pid), core.clock.now() - RECENT, of_call);
    Ok(Seen { name, refusal, ..of(known) })
}
