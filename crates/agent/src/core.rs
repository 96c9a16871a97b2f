//! What all APIs and jobs of an agent share.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use steeple_clock::Clock;
use steeple_net::{Peer, UnixPeer};
use steeple_telemetry::{Log, Metrics};
use steeple_types::Selector;
use tokio::sync::watch;
use tonic::{Request, Status};

use crate::identity::AgentTls;
use crate::server::ServerConnection;
use crate::settings::Settings;
use crate::svid::{Cache, JwtCache};
use crate::workload::Attestation;

/// What all APIs and jobs share.
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) tls: Arc<AgentTls>,
    pub(crate) server: ServerConnection,
    pub(crate) cache: Arc<Cache>,
    pub(crate) tokens: JwtCache,
    pub(crate) attestation: Attestation,
    pub(crate) log: Log,
    pub(crate) metrics: Metrics,
    pub(crate) started: Duration,
    pub(crate) progress: watch::Sender<Progress>,
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
    /// The selectors of the caller of a request.
    pub(crate) async fn selectors<T>(&self, request: &Request<T>) -> Result<Vec<Selector>, Status> {
        self.attestation.attest(&peer(request)?).await
    }
}

/// The process that called.
pub(crate) fn peer<T>(request: &Request<T>) -> Result<UnixPeer, Status> {
    match request.extensions().get::<Peer>() {
        Some(Peer::Unix(peer)) => Ok(peer.clone()),
        _ => Err(Status::internal("no peer information available")),
    }
}
