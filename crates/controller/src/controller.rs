//! The controller's life: election, followers, actor, listeners.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use kube::Client;
use steeple_client::{connect_unix, describe};
use steeple_clock::Clock;
use steeple_k8s::{ApiServer, ConnectError};
use steeple_net::web::{self, Answer};
use steeple_runtime::{Failure, OnExit, Shutdown, Supervisor};
use steeple_telemetry::Metrics;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::actor::{Actor, Memory, Planned, Progress};
use crate::election::{Election, ElectionSettings};
use crate::entries::Entries;
use crate::events::{Events, events};
use crate::federation::Federation;
use crate::follow::{Follow, Part, Within};
use crate::inbox::Inbox;
use crate::kind::Kind;
use crate::ownership::Ownership;
use crate::reconcile::Reconciler;
use crate::record::Record;
use crate::rules::Rules;
use crate::status::Statuses;
use crate::webhook::{Webhook, WebhookSettings};

/// Pause before all begins anew after a fault.
const AGAIN: Duration = Duration::from_secs(1);
/// Longest wait for what a dry run tells.
const PLAN: Duration = Duration::from_mins(2);

/// What a controller does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's private socket.
    pub server_socket: PathBuf,
    /// Longest answer of the server, in bytes.
    pub max_answer: usize,
    /// Which entries are this controller's.
    pub ownership: Ownership,
    /// The class of the objects that it acts on.
    pub class: String,
    /// Kinds that are followed.
    pub kinds: BTreeSet<Kind>,
    /// Namespaces that objects are followed in; all when there are none.
    pub namespaces: BTreeMap<String, Within>,
    /// Pause between comparisons with all of the server's entries.
    pub gc_interval: Duration,
    /// The election, where there are several controllers.
    pub election: Option<ElectionSettings>,
    /// The candidate's name, different for each.
    pub identity: String,
    /// Where probes are answered.
    pub health: Option<HealthSettings>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// Where the API server asks about objects.
    pub webhook: Option<WebhookSettings>,
    /// Longest wait for work in progress at the end.
    pub grace: Duration,
}

/// Where probes are answered.
#[derive(Clone, Debug)]
pub struct HealthSettings {
    /// Address.
    pub address: SocketAddr,
    /// Path of the readiness probe.
    pub ready_path: String,
    /// Path of the liveness probe.
    pub live_path: String,
}

/// Why a controller has stopped.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// There is no way to an API server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A listener has no address.
    #[error("unable to listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        reason: io::Error,
    },
    /// The server's entries can't be listed.
    #[error("unable to list the server's entries: {0}")]
    Server(String),
    /// Not all objects could be listed.
    #[error("the objects of {kinds} kinds were not all listed within {} s; the log tells which", PLAN.as_secs())]
    Late {
        /// How many kinds there are.
        kinds: usize,
    },
    /// A part has failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A controller.
pub struct Controller {
    settings: Settings,
    api_server: ApiServer,
    clock: Clock,
    metrics: Metrics,
}

impl Controller {
    /// A controller of the cluster whose API server is this.
    pub fn new(settings: Settings, api_server: ApiServer, clock: Clock, metrics: Metrics) -> Self {
        Self { settings, api_server, clock, metrics }
    }

    /// Runs until the shutdown. `rules` makes new rules each time that this controller comes to act.
    ///
    /// # Errors
    /// [`ControllerError`] when it can't start. What can't be reached later is tried again.
    pub async fn run<R: Rules>(
        self,
        rules: impl Fn() -> R + Send + 'static,
        shutdown: Shutdown,
    ) -> Result<(), ControllerError> {
        let client = self.api_server.connect().await?;
        let (progress, seen) = watch::channel(Phase::Standby);
        let supervisor = Supervisor::new(shutdown.clone(), self.clock.clone());
        self.listen(&supervisor, seen).await?;
        self.review(&supervisor, client.clone()).await?;
        let grace = self.settings.grace;
        let task = self.act(client, rules, progress, shutdown);
        supervisor.spawn("controller", OnExit::StopProcess, async move {
            task.await;
            Ok::<_, io::Error>(())
        });
        Ok(supervisor.run_to_end(grace).await?)
    }

    /// Acts while this controller is the one that may.
    async fn act<R: Rules>(
        self,
        client: Client,
        rules: impl Fn() -> R,
        phase: watch::Sender<Phase>,
        shutdown: Shutdown,
    ) {
        let Some(settings) = self.settings.election.clone() else {
            while shutdown.until(self.reign(client.clone(), rules(), &phase)).await.is_some() {
                self.clock.sleep(AGAIN).await;
            }
            return;
        };
        let identity = self.settings.identity.clone();
        let mut election = Election::new(client.clone(), settings, identity, self.clock.clone());
        while Box::pin(shutdown.until(election.won())).await.is_some() {
            self.metrics.gauge("leader", &[], 1.0);
            tokio::select! {
                () = shutdown.triggered() => {
                    election.release().await;
                    return;
                }
                () = election.lost() => {}
                () = self.reign(client.clone(), rules(), &phase) => {}
            }
            self.metrics.gauge("leader", &[], 0.0);
            phase.send_replace(Phase::Standby);
        }
    }

    /// Acts; ends only by being dropped, with all that belongs to it.
    async fn reign<R: Rules>(&self, client: Client, rules: R, phase: &watch::Sender<Phase>) {
        phase.send_replace(Phase::Starting);
        let (progress, mut seen) = watch::channel(Progress::default());
        let (events, writer) = events(client.clone(), self.clock.clone());
        let statuses = Statuses::new();
        let mut parts = JoinSet::new();
        let actor = self.actor(client.clone(), rules, statuses.clone(), events, progress, &mut parts);
        parts.spawn(statuses.write(client, self.clock.clone()));
        parts.spawn(writer.run());
        parts.spawn(actor.run());
        loop {
            tokio::select! {
                ended = parts.join_next() => {
                    // None of them ends but by a fault of the program; all begin anew.
                    warn!(?ended, "A part of the controller has ended; beginning anew");
                    return;
                }
                Ok(()) = seen.changed() => {
                    if seen.borrow().is_informed {
                        phase.send_replace(Phase::Acting);
                    }
                }
            }
        }
    }

    /// An actor, with followers of all kinds among the `parts`.
    fn actor<R: Rules>(
        &self,
        client: Client,
        rules: R,
        statuses: Statuses,
        events: Events,
        progress: watch::Sender<Progress>,
        parts: &mut JoinSet<()>,
    ) -> Actor<R> {
        let inbox = Arc::new(Inbox::new());
        for kind in self.settings.kinds.iter().copied() {
            for part in Part::of(kind, &self.settings.namespaces) {
                let follow = Follow {
                    kind,
                    api_server: self.api_server.clone(),
                    clock: self.clock.clone(),
                    inbox: inbox.clone(),
                    metrics: self.metrics.clone(),
                    part,
                };
                parts.spawn(async move { match R::follow(kind, follow).await {} });
            }
        }
        let channel = connect_unix(&self.settings.server_socket);
        let record = Record::new(client, self.clock.clone(), &self.settings.class);
        let federation = Federation::new(channel.clone(), self.clock.clone(), record, self.settings.max_answer);
        let entries = Entries::new(channel, self.clock.clone(), self.settings.max_answer);
        Actor {
            rules,
            inbox,
            kinds: self.settings.kinds.clone(),
            reconciler: Reconciler::new(entries, self.settings.ownership.clone(), self.clock.clone()),
            statuses,
            events,
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            gc_interval: self.settings.gc_interval,
            progress,
            federation,
            memory: Memory::default(),
        }
    }

    /// What would be done, were this controller to act now. Nothing is written, neither to the server nor to the API server.
    ///
    /// # Errors
    /// [`ControllerError`] when the server or the API server can't be reached.
    pub async fn plan<R: Rules>(self, rules: R) -> Result<Vec<Planned>, ControllerError> {
        let client = self.api_server.connect().await?;
        let (events, _unwritten) = events(client.clone(), self.clock.clone());
        let mut parts = JoinSet::new();
        let actor = self.actor(client.clone(), rules, Statuses::new(), events, watch::Sender::default(), &mut parts);
        let planned = self.clock.timeout(PLAN, actor.plan()).await;
        let planned = planned.map_err(|_| ControllerError::Late { kinds: self.settings.kinds.len() })?;
        planned.map_err(|status| ControllerError::Server(describe(&status)))
    }

    async fn listen(&self, supervisor: &Supervisor, phase: watch::Receiver<Phase>) -> Result<(), ControllerError> {
        if let Some(health) = self.settings.health.clone() {
            let listener = bind(health.address).await?;
            info!(address = %health.address, "Serving probes");
            let answer = move |path: &str| probe(&health, path, *phase.borrow());
            let shutdown = supervisor.shutdown().clone();
            supervisor.spawn("health", OnExit::StopProcess, web::serve(listener, Arc::new(answer), shutdown));
        }
        if let Some(address) = self.settings.metrics {
            let listener = bind(address).await?;
            info!(%address, "Serving metrics");
            let metrics = self.metrics.clone();
            let answer = move |path: &str| match path {
                "/metrics" => Answer {
                    status: StatusCode::OK,
                    content_type: "text/plain; version=0.0.4; charset=utf-8",
                    body: metrics.render(),
                },
                _ => Answer::plain(StatusCode::NOT_FOUND),
            };
            let shutdown = supervisor.shutdown().clone();
            supervisor.spawn("metrics", OnExit::StopProcess, web::serve(listener, Arc::new(answer), shutdown));
        }
        Ok(())
    }

    /// Serves the webhook, as a controller that does not act does too.
    async fn review(&self, supervisor: &Supervisor, client: Client) -> Result<(), ControllerError> {
        let Some(settings) = self.settings.webhook.clone() else { return Ok(()) };
        let listener = bind(settings.address).await?;
        info!(address = %settings.address, webhook = settings.configuration, "Serving the webhook");
        let webhook = Webhook::new(settings, &self.settings, client, self.clock.clone());
        let shutdown = supervisor.shutdown().clone();
        supervisor.spawn("webhook", OnExit::StopProcess, webhook.serve(listener, shutdown));
        Ok(())
    }
}

/// What a controller does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Another one acts.
    Standby,
    /// Objects are listed.
    Starting,
    /// It acts.
    Acting,
}

/// It lives while it answers; it is ready when it acts, or would when the one that acts is gone. The server does not count:
/// where both are one pod, it could not become ready otherwise.
fn probe(health: &HealthSettings, path: &str, phase: Phase) -> Answer {
    if path == health.live_path {
        return Answer::plain(StatusCode::OK);
    }
    if path == health.ready_path {
        let ready = phase != Phase::Starting;
        return Answer::plain(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE });
    }
    Answer::plain(StatusCode::NOT_FOUND)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ControllerError> {
    TcpListener::bind(address).await.map_err(|reason| ControllerError::Listen { address, reason })
}
