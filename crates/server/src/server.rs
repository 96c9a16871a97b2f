//! A server from its parts: what starts in which order, and how it stops.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use steeple_audit::Audit;
use steeple_ca::{CaConfig, Keeper, KeeperError};
use steeple_clock::Clock;
use steeple_config::PrometheusSettings;
use steeple_crypto::tls::server_config;
use steeple_net::web::CertificateError;
use steeple_net::{Callers, Limits as ListenerLimits, serve_tls, serve_uds, uds, web};
use steeple_plugin::UpstreamAuthority;
use steeple_runtime::{Failure, OnExit, Shutdown, Supervisor};
use steeple_store::StoreError;
use steeple_types::{SpiffeId, TrustDomain};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::api::gate::Gate;
use crate::api::limits::Limits;
use crate::api::routes;
use crate::authorities::{Asked, Authorities};
use crate::authority_store::DatastoreAuthorities;
use crate::bundle_endpoint::BundleEndpoint;
use crate::core::{Core, Settings};
use crate::denials::record_denials;
use crate::entries::Entries;
use crate::federation::Federation;
use crate::health::Health;
use crate::identity::ServerTls;
use crate::jobs::{self, FollowChanges, Ingredients, RotateAuthorities};
use crate::joins::RecentJoins;
use crate::metrics::KeptAuthorities;
use crate::native::{Measures, observe};
use crate::parts::{CallMetrics, Parts};
use crate::publishing::Publishing;
use crate::states::States;

/// How long tasks may drain.
const GRACE: Duration = Duration::from_secs(10);

/// SPIRE's server speaks of an agent here too.
const REMOTE_METRICS: &str = "Agent is now configured to accept remote network connections for Prometheus stats collection. \
                              Please ensure access to this port is tightly controlled";

/// Why a server could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The datastore failed.
    #[error("datastore: {0}")]
    Store(#[from] StoreError),
    /// The datastore belongs to another trust domain.
    #[error(
        "trust domain in the configuration ({configured}) does not match the one of the datastore ({found}); \
         check the trust domain and the datastore's connection string"
    )]
    OtherTrustDomain {
        /// In the configuration.
        configured: TrustDomain,
        /// Of the first entry.
        found: TrustDomain,
    },
    /// No authority could be made.
    #[error("unable to prepare authorities: {0}")]
    Authorities(#[from] KeeperError),
    /// A notifier did not take the bundle.
    #[error("one or more notifiers returned an error: {0}")]
    Notifiers(String),
    /// The server's own SVID could not be made.
    #[error("unable to issue the server's X509-SVID: {0}")]
    Identity(String),
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
    /// The certificate of the bundle endpoint can't be presented.
    #[error("failed to load certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The private socket could not be bound.
    #[error(transparent)]
    Socket(#[from] uds::BindError),
    /// TLS could not be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A task without which the server can't go on has failed.
    #[error(transparent)]
    Task(#[from] Failure),
}

/// A server whose listeners are bound and whose authorities sign.
pub struct Server {
    core: Arc<Core>,
    health: Arc<Health>,
    gate: Gate,
    keeper: Keeper,
    upstream: Option<Arc<dyn UpstreamAuthority>>,
    /// What operators ask of the keeper.
    inbox: mpsc::Receiver<Asked>,
    /// How many times in a row the rotation of authorities has failed.
    rotation: watch::Sender<u32>,
    ingredients: Ingredients,
    publishing: Publishing,
    identity: watch::Sender<Option<Arc<crate::identity::ServerIdentity>>>,
    tls: Arc<ServerTls>,
    bundle_endpoint: Option<BundleEndpoint>,
    following: FollowChanges,
    tcp: TcpListener,
    uds: UnixListener,
}

impl Server {
    /// Opens what the server needs, makes its first authorities and binds its listeners. Nothing is served yet.
    ///
    /// # Errors
    /// [`ServerError`] that names what is in the way.
    pub async fn new(settings: Settings, parts: Parts) -> Result<Self, ServerError> {
        let Parts { host, clock, store, key_manager, upstream_authority, node_attestors, audit, log, metrics, .. } =
            parts;
        let measures = Measures::new(settings.prometheus.is_some());
        let sinks = parts.audit_sinks;
        let audit = measures.audited(&audit, &clock);
        let publishing =
            Publishing::new(parts.bundle_publishers, parts.notifiers, &store, &settings.trust_domain, &clock);
        let authorities = DatastoreAuthorities {
            trust_domain: settings.trust_domain.clone(),
            store: store.clone(),
            audit: audit.clone(),
            clock: clock.clone(),
        };
        check_trust_domain(&settings.trust_domain, &store).await?;
        let config = ca_config(&settings);
        let keys = Arc::clone(&key_manager);
        let (upstream, authorities) = (upstream_authority.clone(), Arc::new(authorities));
        let (trust_domain, counting) = (settings.trust_domain.clone(), Arc::clone(&metrics));
        let counted = Arc::new(KeptAuthorities { trust_domain, metrics: counting, clock: clock.clone() });
        let mut keeper =
            Keeper::restore(config, key_manager, upstream_authority, authorities, counted, clock.clone()).await?;
        keeper.step().await?;
        let ingredients = ingredients(&settings, &keeper, &audit, &metrics, &clock);
        let svid = jobs::server_svid(&ingredients).await.map_err(ServerError::Identity)?;
        let identity = watch::Sender::new(Some(Arc::new(svid)));
        info!(subsystem_name = "endpoints", "Building in-memory entry cache");
        let event_timeout = settings.following.event_timeout;
        let (entries, events) = Entries::load(store.clone(), event_timeout, clock.monotonic()).await?;
        info!(subsystem_name = "endpoints", "Completed building in-memory entry cache");
        let bundles = jobs::load_bundles(&store, trusted(&settings)).await?;
        publishing.changes().tell(&bundles);
        publishing.bundle_loaded().await.map_err(ServerError::Notifiers)?;
        settings.key_exchange.tell();
        let bundles = Arc::new(RwLock::new(bundles));
        let tls = Arc::new(ServerTls { identity: identity.subscribe(), bundles, clock: clock.clone() });
        let bundle_endpoint = match &settings.federation.bundle_endpoint {
            Some(endpoint) => Some(BundleEndpoint::bind(endpoint, publishing.own_bundle(), &tls, keys, &clock).await?),
            None => None,
        };
        let tcp = bind(settings.bind_address, "bind_address and bind_port").await?;
        let uds = uds::bind(&settings.socket_path, 0o750, 0o770)?;
        let attestors: HashMap<_, _> =
            node_attestors.into_iter().map(|attestor| (attestor.name().to_owned(), attestor)).collect();
        let federation = Federation::new(&settings, &store, &audit, &clock);
        let (authorities, inbox) = Authorities::new(&keeper);
        let core = Arc::new(Core {
            limits: Limits::new(settings.rate_limits, clock.clone()),
            joins: RecentJoins::default(),
            started: clock.monotonic(),
            issuers: keeper.issuers(),
            jwt_keys: keeper.jwt_keys(),
            authorities,
            identity: identity.subscribe(),
            settings,
            clock,
            store,
            entries,
            audit,
            sinks,
            denials: Arc::default(),
            federation,
            attestors,
            log,
            metrics,
            measures,
        });
        let place = tcp.local_addr().unwrap_or(core.settings.bind_address);
        let states = States::new(Uuid::new_v4().to_string(), format!("{host} {place}"));
        let following = FollowChanges::new(Arc::clone(&core), events, states);
        let rotation = watch::Sender::new(0);
        let health = Arc::new(Health::new(Arc::clone(&core), rotation.subscribe()));
        info!(launch_log_level = core.log.launch_level().name(), "Logger service configured");
        let gate = Gate::new(Arc::clone(&core), routes(&core, &health));
        Ok(Self {
            core,
            health,
            gate,
            keeper,
            upstream,
            inbox,
            rotation,
            ingredients,
            publishing,
            identity,
            tls,
            bundle_endpoint,
            following,
            tcp,
            uds,
        })
    }

    /// Where the server listens on the network; tells the port when any was asked for.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<std::net::SocketAddr> {
        self.tcp.local_addr()
    }

    /// Where the own bundle is served, if it is; tells the port when any was asked for.
    pub fn bundle_endpoint_address(&self) -> Option<std::net::SocketAddr> {
        self.bundle_endpoint.as_ref().and_then(|endpoint| endpoint.address().ok())
    }

    /// The APIs behind their gate, as the listeners serve them. Who calls is told by a [`steeple_net::Peer`] among the
    /// extensions of a request.
    pub fn apis(&self) -> impl steeple_net::Answers + use<> {
        self.gate.clone()
    }

    /// Serves until the shutdown, then drains.
    ///
    /// # Errors
    /// [`ServerError::Task`] when a task failed without which the server can't go on.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ServerError> {
        let supervisor = Supervisor::new(shutdown.clone(), self.core.clock.clone());
        self.spawn_web(&supervisor).await?;
        let Self { core, gate, keeper, inbox, rotation, ingredients, publishing, identity, tls, .. } = self;
        let (bundle_endpoint, following, tcp, uds) = (self.bundle_endpoint, self.following, self.tcp, self.uds);
        if let Some(endpoint) = bundle_endpoint {
            endpoint.spawn(&supervisor, core.settings.key_exchange, &core.clock)?;
        }
        debug!(subsystem_name = "endpoints", "Initializing API endpoints");
        let admins = core.settings.named_ids();
        let own = core.settings.trust_domain.clone();
        let may_connect = move |id: &SpiffeId| id.member_of(&own) || admins.contains(id);
        let source: Arc<ServerTls> = Arc::clone(&tls);
        let config = Arc::new(server_config(source, Arc::new(may_connect), core.settings.key_exchange)?);
        let clock = core.clock.clone();

        let address = tcp.local_addr().unwrap_or(core.settings.bind_address).to_string();
        let proxies = core.settings.trusted_proxies.clone();
        if !proxies.is_empty() {
            info!(trusted_cidrs = %proxies, subsystem_name = "endpoints", "PROXY protocol enabled on TCP listener");
        }
        let limits = ListenerLimits::NETWORK;
        let serve = serve_tls(tcp, config, proxies, gate.clone(), limits, clock.clone(), shutdown.clone());
        supervisor.spawn("network listener", OnExit::StopProcess, told("tcp", address, serve, shutdown.clone()));
        let address = core.settings.socket_path.display().to_string();
        let serve =
            serve_uds(uds, gate, Callers::ProcessesOrUsers, ListenerLimits::LOCAL, clock.clone(), shutdown.clone());
        supervisor.spawn("private listener", OnExit::StopProcess, told("unix", address, serve, shutdown.clone()));

        let stop = || shutdown.clone();
        let own = publishing.own_bundle();
        let told = watch::Sender::default();
        let (failures, upstream) = (rotation, told.subscribe());
        let job = RotateAuthorities { keeper, inbox, own, upstream, failures, clock: clock.clone(), is_behind: false };
        supervisor.spawn("rotate_authorities", OnExit::StopProcess, jobs::rotate_authorities(job, stop()));
        if let Some(upstream) = self.upstream {
            let follow = jobs::follow_upstream(upstream, told, clock.clone(), stop());
            supervisor.spawn("follow_upstream", OnExit::StopProcess, follow);
        }
        let rotate = jobs::rotate_server_svid(ingredients, publishing.own_bundle(), identity, stop());
        supervisor.spawn("rotate_server_svid", OnExit::StopProcess, rotate);
        supervisor.spawn("follow_changes", OnExit::StopProcess, jobs::follow_changes(following, stop()));
        let trusted = trusted(&core.settings);
        let (bundles, own) = (Arc::clone(&tls.bundles), publishing.changes());
        let follow = jobs::follow_bundles(core.store.clone(), trusted, bundles, own, clock.clone(), stop());
        supervisor.spawn("follow_bundles", OnExit::StopProcess, follow);
        publishing.spawn(&supervisor);
        supervisor.spawn("refresh_bundles", OnExit::StopProcess, jobs::refresh_bundles(Arc::clone(&core), stop()));
        supervisor.spawn("record_denials", OnExit::StopProcess, record_denials(Arc::clone(&core), stop()));
        supervisor.spawn("prune_entries", OnExit::StopProcess, jobs::prune_entries(Arc::clone(&core), stop()));
        supervisor.spawn("prune_bundle", OnExit::StopProcess, jobs::prune_bundle(Arc::clone(&core), stop()));
        supervisor.spawn("prune_ca_journals", OnExit::StopProcess, jobs::prune_ca_journals(Arc::clone(&core), stop()));
        supervisor.spawn("prune_changes", OnExit::StopProcess, jobs::prune_changes(Arc::clone(&core), stop()));
        if let Some(settings) = core.settings.prune_nodes {
            let prune = jobs::prune_nodes(Arc::clone(&core), settings, stop());
            supervisor.spawn("prune_nodes", OnExit::StopProcess, prune);
        }
        let path = core.settings.socket_path.clone();
        supervisor.run_to_end(GRACE).await?;
        // A socket that nobody listens on any more is of no use to anybody.
        let _gone = std::fs::remove_file(path);
        Ok(())
    }

    /// Health and metrics over HTTP, as far as the configuration asks for them.
    async fn spawn_web(&self, supervisor: &Supervisor) -> Result<(), ServerError> {
        let shutdown = supervisor.shutdown();
        if let Some(settings) = self.core.settings.health.clone() {
            debug!(subsystem_name = "health", "Initializing health checkers");
            let listener = bind(settings.address, "health_checks.bind_address and bind_port").await?;
            info!(address = %settings.address, subsystem_name = "health", "Serving health checks");
            let health = Arc::clone(&self.health);
            let handler = Arc::new(move |path: &str| health.answer(&settings, path));
            supervisor.spawn("health listener", OnExit::StopProcess, web::serve(listener, handler, shutdown.clone()));
            let (health, clock, stop) = (Arc::clone(&self.health), self.core.clock.clone(), shutdown.clone());
            let look = async move {
                loop {
                    health.look().await;
                    if stop.until(clock.sleep(Duration::from_secs(5))).await.is_none() {
                        debug!(subsystem_name = "health", "Finishing health checker");
                        return Ok::<_, String>(());
                    }
                }
            };
            supervisor.spawn("health checks", OnExit::StopProcess, look);
        }
        if let Some(PrometheusSettings { address, host, .. }) = &self.core.settings.prometheus {
            let listener = bind(*address, "telemetry.Prometheus host and port").await?;
            if host != "localhost" {
                warn!(subsystem_name = "telemetry", "{REMOTE_METRICS}");
            }
            info!(host, port = address.port(), subsystem_name = "telemetry", "Starting prometheus exporter");
            let core = Arc::clone(&self.core);
            let handler = move |_: &str| web::Answer {
                status: http::StatusCode::OK,
                content_type: "text/plain; version=0.0.4; charset=utf-8",
                body: core.metrics.render() + &core.measures.render(),
            };
            let serve = web::serve(listener, Arc::new(handler), shutdown.clone());
            supervisor.spawn("metrics listener", OnExit::StopProcess, serve);
            let observe = observe(Arc::clone(&self.core), self.rotation.subscribe(), shutdown.clone());
            supervisor.spawn("observe", OnExit::StopProcess, observe);
        }
        Ok(())
    }
}

/// Tells in the log when a listener starts and stops.
async fn told(
    network: &'static str,
    address: String,
    serve: impl Future<Output = io::Result<()>>,
    shutdown: Shutdown,
) -> io::Result<()> {
    info!(address, network, subsystem_name = "endpoints", "Starting Server APIs");
    let mut serve = pin!(serve);
    tokio::select! {
        biased;
        () = shutdown.triggered() => {}
        ended = &mut serve => return ended,
    }
    info!(address, network, subsystem_name = "endpoints", "Stopping Server APIs");
    info!(address, network, subsystem_name = "endpoints", "Attempting graceful stop");
    serve.await?;
    info!(address, network, subsystem_name = "endpoints", "Graceful stop successful");
    info!(address, network, subsystem_name = "endpoints", "Server APIs have stopped");
    Ok(())
}

async fn bind(address: std::net::SocketAddr, option: &'static str) -> Result<TcpListener, ServerError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| ServerError::Bind { address: address.to_string(), option, source })
}

/// The trust domains whose bundles clients are verified by: the own, and those of administrators who are named.
fn trusted(settings: &Settings) -> Vec<TrustDomain> {
    let mut trusted = vec![settings.trust_domain.clone()];
    for id in &settings.named_ids() {
        if !trusted.contains(&id.trust_domain()) {
            trusted.push(id.trust_domain());
        }
    }
    trusted
}

/// A datastore with entries of another trust domain is somebody else's.
async fn check_trust_domain(configured: &TrustDomain, store: &steeple_store::Store) -> Result<(), ServerError> {
    let page = steeple_store::Page { size: 1, token: String::new() };
    let first =
        store.read("registration_entry.list", move |tx| tx.entries(&steeple_store::EntryFilter::default(), &page));
    match first.await?.items.first().map(|entry| entry.spiffe_id.trust_domain()) {
        Some(found) if found != *configured => {
            Err(ServerError::OtherTrustDomain { configured: configured.clone(), found })
        }
        _ => Ok(()),
    }
}

fn ca_config(settings: &Settings) -> CaConfig {
    CaConfig {
        trust_domain: settings.trust_domain.clone(),
        ca_ttl: settings.ca_ttl,
        subject: settings.ca_subject.clone(),
        x509_key_type: settings.ca_key_type,
        jwt_key_type: settings.jwt_key_type,
        jwt_issuer: settings.jwt_issuer.clone(),
        jwt_enabled: settings.jwt_enabled,
    }
}

fn ingredients(
    settings: &Settings,
    keeper: &Keeper,
    audit: &Audit,
    metrics: &Arc<dyn CallMetrics>,
    clock: &Clock,
) -> Ingredients {
    Ingredients {
        trust_domain: settings.trust_domain.clone(),
        key_type: settings.ca_key_type,
        ttl: settings.default_x509_svid_ttl,
        issuers: keeper.issuers(),
        audit: audit.clone(),
        metrics: Arc::clone(metrics),
        clock: clock.clone(),
    }
}
