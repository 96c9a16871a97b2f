//! An agent from its parts: what starts in which order, and how it stops.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use steeple_config::PrometheusSettings;
use steeple_net::{Callers, Limits, serve_uds, uds, web};
use steeple_runtime::{Failure, OnExit, Shutdown, Supervisor};
use steeple_telemetry::label;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::api::{admin_routes, driver_routes, public_routes};
use crate::core::{Core, Progress};
use crate::health::Health;
use crate::identity::AgentTls;
use crate::join::of_certificates;
use crate::limits::WorkloadLimits;
use crate::manage::{Ended, Manager};
use crate::native::Measures;
use crate::parts::Parts;
use crate::pods::PodSockets;
use crate::refusals::Refusals;
use crate::server::ServerConnection;
use crate::settings::Settings;
use crate::state::Memory;
use crate::svid::{Cache, JwtCache};
use crate::troubles::Troubles;
use crate::workload::Attestation;

/// How long tasks may drain.
const GRACE: Duration = Duration::from_secs(10);

/// How long calls may go on after a stop; the streams of workloads would go on for ever.
pub(crate) const CALL_GRACE: Duration = Duration::from_millis(500);

/// Why an agent could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its memory can't be read.
    #[error("unable to read the agent's data: {0}")]
    Memory(io::Error),
    /// It is no part of the trust domain, or no more.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// A socket could not be bound.
    #[error(transparent)]
    Socket(#[from] uds::BindError),
    /// A network address could not be bound.
    #[error("unable to listen on {address}: {source}; choose another with {option}")]
    Bind {
        /// Where.
        address: String,
        /// The key of the configuration that says so.
        option: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Sockets of pods can't be served.
    #[error("{0}")]
    PodSockets(io::Error),
    /// A task without which the agent can't go on has failed.
    #[error(transparent)]
    Task(#[from] Failure),
}

/// What SPIRE says when others may read the metrics.
const REMOTE_METRICS: &str = "Agent is now configured to accept remote network connections for Prometheus stats collection. \
                              Please ensure access to this port is tightly controlled";

/// An agent that has what it needs to begin.
pub struct Agent {
    core: Arc<Core>,
    manager: Manager,
}

impl Agent {
    /// Reads what the agent remembers. Nothing is connected or served yet.
    ///
    /// # Errors
    /// [`AgentError`] that names what is in the way.
    pub fn new(settings: Settings, parts: Parts) -> Result<Self, AgentError> {
        let Parts { clock, key_manager, node_attestor, workload_attestors, log, metrics } = parts;
        settings.key_exchange.tell();
        let memory = Memory::new(&settings.data_dir);
        let remembered = memory.read().map_err(AgentError::Memory)?;
        let bundle = of_certificates(&settings.trust_domain, remembered.bundle.clone());
        let tls = Arc::new(AgentTls::new(bundle, clock.clone()));
        let server = ServerConnection::new(&settings, Arc::clone(&tls));
        let limit = settings.x509_svid_cache_max_size;
        let cache = Cache::new(settings.trust_domain.clone(), std::collections::BTreeMap::new(), limit);
        let core = Arc::new(Core {
            progress: watch::Sender::new(Progress::default()),
            waiting: watch::Sender::new(0),
            tokens: JwtCache::new(settings.jwt_svid_cache_max_size, settings.jwt_svid_cache_hit_timeout),
            limits: WorkloadLimits::new(settings.workload_limits.clone(), clock.clone(), metrics.clone()),
            refusals: Refusals::default(),
            troubles: Troubles::default(),
            attestation: Attestation::new(workload_attestors, clock.clone(), metrics.clone()),
            started: clock.monotonic(),
            cache: Arc::new(cache),
            measures: Measures::new(settings.prometheus.is_some()),
            settings,
            clock,
            tls,
            server,
            log,
            metrics,
        });
        let manager = Manager::new(Arc::clone(&core), memory, remembered, key_manager, node_attestor);
        Ok(Self { core, manager })
    }

    /// How far the agent has come, as it goes on.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.core.progress.subscribe()
    }

    /// Joins the trust domain, then serves workloads until the shutdown.
    ///
    /// # Errors
    /// [`AgentError`] of what kept the agent from starting or made it stop.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), AgentError> {
        let Self { core, mut manager } = self;
        count_start(&core);
        let supervisor = Supervisor::new(shutdown.clone(), core.clock.clone());
        spawn_followers(&core, &supervisor);
        let mut outcome = spawn_web(&core, &supervisor).await;
        if outcome.is_ok() {
            match shutdown.until(Box::pin(manager.join())).await {
                Some(Ok(())) => outcome = serve(&core, manager, &supervisor).await,
                Some(Err(reason)) => outcome = Err(reason.into()),
                None => {}
            }
        }
        shutdown.trigger();
        let drained = supervisor.run_to_end(GRACE).await;
        if core.progress.borrow().serving {
            // A socket that nobody listens on any more is of no use to anybody.
            let _gone = std::fs::remove_file(&core.settings.socket_path);
            let _gone = core.settings.admin_socket_path.as_ref().map(std::fs::remove_file);
        }
        outcome?;
        Ok(drained?)
    }
}

/// Keeps the agent fresh, and serves workloads from the first synchronisation on, until the shutdown.
async fn serve(core: &Arc<Core>, manager: Manager, supervisor: &Supervisor) -> Result<(), AgentError> {
    let shutdown = supervisor.shutdown().clone();
    let ended = Arc::new(Mutex::new(None));
    let manage = {
        let (shutdown, ended) = (shutdown.clone(), Arc::clone(&ended));
        async move {
            if let Err(reason) = Box::pin(manager.run(shutdown.clone())).await {
                *ended.lock() = Some(reason);
                shutdown.trigger();
            }
            Ok::<_, String>(())
        }
    };
    supervisor.spawn("manager", OnExit::StopProcess, manage);
    let mut progress = core.progress.subscribe();
    // Who asked earlier would be told that there is no identity for him.
    let synced = shutdown.until(progress.wait_for(|progress| progress.synced.is_some())).await.is_some();
    let mut pods = None;
    if synced {
        spawn_sockets(core, supervisor)?;
        pods = spawn_pod_sockets(core, supervisor)?;
        core.progress.send_modify(|progress| progress.serving = true);
    }
    shutdown.triggered().await;
    if let Some(pods) = pods {
        pods.remove_sockets();
    }
    let reason = ended.lock().take();
    reason.map_or(Ok(()), |reason| Err(reason.into()))
}

/// What workload attestors answer from is followed from the start, so that it is there when the first workload asks.
fn spawn_followers(core: &Arc<Core>, supervisor: &Supervisor) {
    let (core, shutdown) = (Arc::clone(core), supervisor.shutdown().clone());
    supervisor.spawn("workload attestors", OnExit::Log, async move {
        core.attestation.follow(&shutdown).await;
        Ok::<_, String>(())
    });
}

/// Health and metrics over HTTP, as far as the configuration asks for them.
async fn spawn_web(core: &Arc<Core>, supervisor: &Supervisor) -> Result<(), AgentError> {
    let shutdown = supervisor.shutdown().clone();
    if let Some(settings) = core.settings.health.clone() {
        let listener = bind(settings.address, "health_checks.bind_address and bind_port").await?;
        debug!(subsystem_name = "health", "Initializing health checkers");
        info!(address = %settings.address, subsystem_name = "health", "Serving health checks");
        let health = Arc::new(Health::default());
        let look = Arc::clone(&health).keep(Arc::clone(core), shutdown.clone());
        supervisor.spawn("health checks", OnExit::StopProcess, look);
        let handler = move |path: &str| health.answer(&settings, path);
        let serve = web::serve(listener, Arc::new(handler), shutdown.clone());
        supervisor.spawn("health listener", OnExit::StopProcess, serve);
    }
    if let Some(PrometheusSettings { address, host, .. }) = &core.settings.prometheus {
        let listener = bind(*address, "telemetry.Prometheus host and port").await?;
        if host != "localhost" {
            warn!(subsystem_name = "telemetry", "{REMOTE_METRICS}");
        }
        info!(host, port = address.port(), subsystem_name = "telemetry", "Starting prometheus exporter");
        let core = Arc::clone(core);
        let handler = move |_: &str| web::Answer {
            status: StatusCode::OK,
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            body: metrics(&core),
        };
        let serve = web::serve(listener, Arc::new(handler), shutdown);
        supervisor.spawn("metrics listener", OnExit::StopProcess, serve);
    }
    Ok(())
}

fn spawn_sockets(core: &Arc<Core>, supervisor: &Supervisor) -> Result<(), AgentError> {
    let (clock, shutdown) = (core.clock.clone(), supervisor.shutdown().clone());
    info!(launch_log_level = core.log.launch_level().name(), "Logger service configured");
    let limits = Limits { grace: CALL_GRACE, ..Limits::LOCAL };
    if core.settings.workload_api || core.settings.sds_api {
        let listener: UnixListener = uds::bind(&core.settings.socket_path, 0o755, 0o777)?;
        let address = core.settings.socket_path.display();
        let apis = match (core.settings.workload_api, core.settings.sds_api) {
            (true, true) => "Workload and SDS APIs",
            (true, false) => "Workload API",
            _ => "SDS API",
        };
        let in_json = serde_json::json!({ "address": { "Name": address.to_string(), "Net": "unix" } });
        info!(%address, apis, %in_json, network = "unix", subsystem_name = "endpoints", "Starting agent APIs");
        let serve =
            serve_uds(listener, public_routes(core), Callers::Processes, limits, clock.clone(), shutdown.clone());
        let stop = shutdown.clone();
        let serve = async move {
            let mut serve = pin!(serve);
            tokio::select! {
                biased;
                () = stop.triggered() => {}
                ended = &mut serve => return ended,
            }
            info!(apis, subsystem_name = "endpoints", "Stopping agent APIs");
            serve.await
        };
        supervisor.spawn("workload listener", OnExit::StopProcess, serve);
    }
    if let Some(path) = &core.settings.admin_socket_path {
        let listener = uds::bind(path, 0o750, 0o770)?;
        info!(address = %path.display(), network = "unix", "Starting Admin APIs");
        let serve = serve_uds(listener, admin_routes(core), Callers::ProcessesOrUsers, limits, clock, shutdown.clone());
        let address = path.display().to_string();
        let serve = async move {
            let mut serve = pin!(serve);
            tokio::select! {
                biased;
                () = shutdown.triggered() => {}
                ended = &mut serve => return ended,
            }
            info!(address, network = "unix", "Stopping Admin APIs");
            serve.await?;
            info!(address, network = "unix", "Admin APIs have stopped");
            Ok(())
        };
        supervisor.spawn("admin listener", OnExit::StopProcess, serve);
    }
    Ok(())
}

/// The socket of the CSI driver, and those of pods, if the configuration asks for them.
fn spawn_pod_sockets(core: &Arc<Core>, supervisor: &Supervisor) -> Result<Option<Arc<PodSockets>>, AgentError> {
    let Some(folder) = &core.settings.pod_sockets else { return Ok(None) };
    let sockets = Arc::new(PodSockets::new(core, supervisor, folder).map_err(AgentError::PodSockets)?);
    sockets.restore().map_err(AgentError::PodSockets)?;
    let path = sockets.driver_socket();
    let listener = uds::bind(&path, 0o700, 0o600)?;
    info!(address = %path.display(), network = "unix", subsystem_name = "pods", "Starting pod sockets API");
    let limits = Limits { grace: CALL_GRACE, ..Limits::LOCAL };
    let (clock, shutdown) = (core.clock.clone(), supervisor.shutdown().clone());
    let serve = serve_uds(listener, driver_routes(core, &sockets), Callers::Root, limits, clock, shutdown);
    supervisor.spawn("pod sockets listener", OnExit::StopProcess, serve);
    Ok(Some(sockets))
}

fn count_start(core: &Core) {
    let labels =
        [("version", label(&core.settings.version)), ("trust_domain_id", label(core.settings.trust_domain.name()))];
    core.metrics.gauge("started", &labels, 1.0);
}

fn metrics(core: &Core) -> String {
    let uptime = core.clock.monotonic().saturating_sub(core.started);
    core.metrics.gauge("uptime_in_ms", &[], uptime.as_secs_f64() * 1_000.0);
    core.metrics.render() + &core.measures.render(core)
}

async fn bind(address: std::net::SocketAddr, option: &'static str) -> Result<TcpListener, AgentError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| AgentError::Bind { address: address.to_string(), option, source })
}
