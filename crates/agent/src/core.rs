//! What all APIs and jobs of an agent share.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use steeple_clock::Clock;
use steeple_explain::RefusalReason;
use steeple_net::{Peer, UnixPeer};
use steeple_plugin::MountedPod;
use steeple_policy::method::split;
use steeple_telemetry::{Log, Metrics};
use tokio::sync::watch;
use tonic::{Request, Status};
use tracing::{debug, warn};

use crate::api::Row;
use crate::identity::AgentTls;
use crate::limits::WorkloadLimits;
use crate::native::Measures;
use crate::refusals::{Refusal, Refusals, name, referred};
use crate::server::ServerConnection;
use crate::settings::Settings;
use crate::svid::{Cache, JwtCache};
use crate::troubles::Troubles;
use crate::workload::{Attestation, Known};

/// What all APIs and jobs share.
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) tls: Arc<AgentTls>,
    pub(crate) server: ServerConnection,
    pub(crate) cache: Arc<Cache>,
    pub(crate) tokens: JwtCache,
    pub(crate) attestation: Attestation,
    pub(crate) limits: WorkloadLimits,
    pub(crate) refusals: Refusals,
    pub(crate) troubles: Troubles,
    pub(crate) log: Log,
    pub(crate) metrics: Metrics,
    pub(crate) measures: Measures,
    pub(crate) started: Duration,
    pub(crate) progress: watch::Sender<Progress>,
    /// How many wait for an entry that the server may have already.
    pub(crate) waiting: watch::Sender<usize>,
}

/// How far an agent has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How often the agent has gone to rest with nothing left to do for the moment.
    pub rounds: u64,
    /// When it last heard from the server what it is to serve.
    pub synced: Option<Timestamp>,
    /// Whether workloads are served.
    pub serving: bool,
}

impl Core {
    /// What the caller of a request is, unless workloads with the same selectors call the method too often.
    pub(crate) async fn known<T>(&self, request: &Request<T>) -> Result<Known, Status> {
        let caller = caller(request)?;
        let row = request.extensions().get::<&'static Row>().ok_or_else(|| Status::internal("no method is known"))?;
        let (_, method) = split(row.method);
        let began = self.clock.monotonic();
        let attested = match &caller {
            Caller::Process(peer) => self.attestation.attest(peer).await,
            Caller::Pod(pod) => self.attestation.attest_caller(pod).await,
        };
        self.measures.attested(attested.is_ok(), self.clock.monotonic().saturating_sub(began));
        let known = match attested {
            Ok(known) => known,
            Err(attestors) => {
                let status = Status::unavailable("workload attestation failed");
                let known = Known { selectors: Vec::new(), attestors };
                let reference = self.refuse(&caller, method, &known, RefusalReason::NotAttested, &status);
                let said = status.message();
                warn!(method, reference, subsystem_name = "endpoints", "Call is refused: {said}");
                return Err(referred(status, &reference));
            }
        };
        if let Err((status, per_second)) = self.limits.admit(row.method, &known.selectors) {
            let reference = self.refuse(&caller, method, &known, RefusalReason::TooOften { per_second }, &status);
            let said = status.message();
            debug!(method, reference, subsystem_name = "endpoints", "Call is refused: {said}");
            return Err(referred(status, &reference));
        }
        Ok(known)
    }

    /// Remembers that a call was refused, and yields its reference.
    pub(crate) fn refuse(
        &self,
        caller: &Caller,
        method: &str,
        known: &Known,
        reason: RefusalReason,
        status: &Status,
    ) -> String {
        self.refusals.note(Refusal {
            reference: String::new(),
            at: self.clock.now(),
            method: method.to_owned(),
            caller: name(caller),
            selectors: known.selectors.clone(),
            attestors: known.attestors.clone(),
            reason,
            said: status.message().to_owned(),
        })
    }

    /// Has the server asked for entries more often, until what is returned goes.
    pub(crate) fn hurry(self: &Arc<Self>) -> Hurry {
        self.waiting.send_modify(|waiting| *waiting += 1);
        Hurry(Arc::clone(self))
    }
}

/// Somebody waits for an entry.
pub(crate) struct Hurry(Arc<Core>);

impl Drop for Hurry {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    }
}

/// Who called.
#[derive(Clone)]
pub(crate) enum Caller {
    /// A process, on the socket that all workloads share.
    Process(UnixPeer),
    /// A pod, on a socket of its own.
    Pod(Arc<MountedPod>),
}

/// Who called.
pub(crate) fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    match (request.extensions().get::<Arc<MountedPod>>(), request.extensions().get::<Peer>()) {
        (Some(pod), _) => Ok(Caller::Pod(Arc::clone(pod))),
        (None, Some(Peer::Unix(peer))) => Ok(Caller::Process(peer.clone())),
        _ => Err(Status::internal("no peer information available")),
    }
}
