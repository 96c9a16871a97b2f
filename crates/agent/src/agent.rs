//! An agent from its parts: what starts in which order, and how it stops.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use steeple_net::{Limits, serve_uds, uds, web};
use steeple_plugin::KeyManager;
use steeple_runtime::{Failure, OnExit, Shutdown, Supervisor};
use steeple_types::Bundle;
use tokio::net::{TcpListener, UnixListener};
use tracing::info;

use crate::api::{admin_routes, public_routes};
use crate::core::Core;
use crate::identity::AgentTls;
use crate::join::bootstrap;
use crate::manage::{Ended, Manager};
use crate::parts::Parts;
use crate::server::ServerConnection;
use crate::settings::{Bootstrap, HealthSettings, Settings};
use crate::state::{Memory, Remembered};
use crate::svid::{Cache, JwtCache};
use crate::workload::Attestation;

/// How long tasks may drain.
const GRACE: Duration = Duration::from_secs(10);

/// Why an agent could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its memory can't be read.
    #[error("unable to read the agent's data: {0}")]
    Memory(io::Error),
    /// It has nothing to trust the server by.
    #[error("{0}")]
    Bootstrap(String),
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
    /// A task without which the agent can't go on has failed.
    #[error(transparent)]
    Task(#[from] Failure),
}

/// An agent that has what it needs to begin.
pub struct Agent {
    core: Arc<Core>,
    manager: Manager,
    remembered: Remembered,
}

impl Agent {
    /// Reads what the agent remembers and how it is to trust the server. Nothing is connected or served yet.
    ///
    /// # Errors
    /// [`AgentError`] that names what is in the way.
    pub fn new(settings: Settings, parts: Parts) -> Result<Self, AgentError> {
        let Parts { clock, key_manager, node_attestor, workload_attestors, log, metrics } = parts;
        let memory = Memory::new(&settings.data_dir);
        let remembered = memory.read().map_err(AgentError::Memory)?;
        let bundle = bootstrap(&settings.bootstrap, &settings.trust_domain, &remembered.bundle);
        let bundle = bundle.map_err(AgentError::Bootstrap)?;
        let bundle = bundle.unwrap_or_else(|| Bundle::empty(settings.trust_domain.clone()));
        let tls = Arc::new(AgentTls::new(bundle, clock.clone()));
        let server = ServerConnection::new(
            settings.server_address.clone(),
            settings.server_port,
            settings.trust_domain.clone(),
            Arc::clone(&tls),
        );
        let limit = settings.x509_svid_cache_max_size;
        let cache = Cache::new(settings.trust_domain.clone(), std::collections::BTreeMap::new(), limit);
        let core = Arc::new(Core {
            tokens: JwtCache::new(settings.jwt_svid_cache_max_size),
            attestation: Attestation::new(workload_attestors, clock.clone()),
            started: clock.monotonic(),
            last_sync: Mutex::new(0),
            cache: Arc::new(cache),
            settings,
            clock,
            tls,
            server,
            log,
            metrics,
        });
        let manager = Manager {
            core: Arc::clone(&core),
            memory,
            keys: key_manager as Arc<dyn KeyManager>,
            attestor: node_attestor,
            believes_anybody: core.settings.bootstrap == Bootstrap::Insecure,
        };
        Ok(Self { core, manager, remembered })
    }

    /// Joins the trust domain, then serves workloads until the shutdown.
    ///
    /// # Errors
    /// [`AgentError`] of what kept the agent from starting or made it stop.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), AgentError> {
        let Self { core, mut manager, remembered } = self;
        let Some(joined) = shutdown.until(manager.join(&remembered)).await else { return Ok(()) };
        joined?;
        let supervisor = Supervisor::new(shutdown.clone(), core.clock.clone());
        let ended = Arc::new(Mutex::new(None));
        let manage = {
            let (shutdown, ended) = (shutdown.clone(), Arc::clone(&ended));
            async move {
                let outcome = manager.run(shutdown.clone()).await;
                if let Err(reason) = outcome {
                    *ended.lock() = Some(reason);
                    shutdown.trigger();
                }
                Ok::<_, String>(())
            }
        };
        supervisor.spawn("manager", OnExit::StopProcess, manage);
        let bound = spawn_listeners(&core, &supervisor).await;
        if bound.is_err() {
            shutdown.trigger();
        }
        let drained = supervisor.run_to_end(GRACE).await;
        let _gone = std::fs::remove_file(&core.settings.socket_path);
        bound?;
        drained?;
        match ended.lock().take() {
            Some(reason) => Err(reason.into()),
            None => Ok(()),
        }
    }
}

async fn spawn_listeners(core: &Arc<Core>, supervisor: &Supervisor) -> Result<(), AgentError> {
    let (clock, shutdown) = (core.clock.clone(), supervisor.shutdown().clone());
    if let Some(settings) = core.settings.health.clone() {
        let listener = bind(settings.address, "health_checks.bind_address and bind_port").await?;
        info!(address = %settings.address, subsystem_name = "health", "Serving health checks");
        let core = Arc::clone(core);
        let handler = move |path: &str| health(&core, &settings, path);
        let serve = web::serve(listener, Arc::new(handler), shutdown.clone());
        supervisor.spawn("health listener", OnExit::StopProcess, serve);
    }
    if let Some(address) = core.settings.prometheus {
        let listener = bind(address, "telemetry.Prometheus host and port").await?;
        info!(host = %address.ip(), port = address.port(), subsystem_name = "telemetry", "Starting prometheus exporter");
        let metrics = core.metrics.clone();
        let handler = move |_: &str| web::Answer {
            status: StatusCode::OK,
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            body: metrics.render(),
        };
        let serve = web::serve(listener, Arc::new(handler), shutdown.clone());
        supervisor.spawn("metrics listener", OnExit::StopProcess, serve);
    }
    if let Some(path) = &core.settings.admin_socket_path {
        let listener = uds::bind(path, 0o750, 0o770)?;
        let serve = serve_uds(listener, admin_routes(core), Limits::LOCAL, clock.clone(), shutdown.clone());
        supervisor.spawn("admin listener", OnExit::StopProcess, serve);
    }
    if core.settings.workload_api || core.settings.sds_api {
        let listener: UnixListener = uds::bind(&core.settings.socket_path, 0o755, 0o777)?;
        let address = core.settings.socket_path.display();
        info!(%address, network = "unix", subsystem_name = "endpoints", "Starting Workload and SDS APIs");
        let serve = serve_uds(listener, public_routes(core), Limits::LOCAL, clock, shutdown);
        supervisor.spawn("workload listener", OnExit::StopProcess, serve);
    }
    Ok(())
}

async fn bind(address: std::net::SocketAddr, option: &'static str) -> Result<TcpListener, AgentError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| AgentError::Bind { address: address.to_string(), option, source })
}

fn health(core: &Core, settings: &HealthSettings, path: &str) -> web::Answer {
    if path != settings.live_path && path != settings.ready_path {
        return web::Answer::plain(StatusCode::NOT_FOUND);
    }
    let healthy = core.cache.snapshot().own_bundle().is_some();
    let details = if healthy {
        serde_json::json!({ "agent": {} })
    } else {
        serde_json::json!({ "agent": { "make_new_x509_err": "bundle not available yet" } })
    };
    let status = if healthy { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    web::Answer { status, content_type: "application/json", body: format!("{details}\n") }
}
