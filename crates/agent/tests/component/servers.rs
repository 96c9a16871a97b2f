//! A real server over TLS, and what its operators do.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use steeple_audit::{Audit, AuditError, Event, Recorder};
use steeple_clock::Clock;
use steeple_crypto::keys::KeyType;
use steeple_crypto::pem;
use steeple_keys::MemoryKeys;
use steeple_net::{Peer, UnixPeer};
use steeple_node_attest::join_token::JoinTokenServer;
use steeple_proto::spire::api::server as pb;
use steeple_proto::spire::api::server::localauthority::v1 as authority;
use steeple_proto::spire::api::types;
use steeple_runtime::Shutdown;
use steeple_server::{CallMetrics, FollowSettings, LogControl, Parts, RateSettings, Row, Server, Settings};
use steeple_store::Store;
use steeple_store_sql::{SqlBackend, SqlConfig};
use steeple_telemetry::Level;
use tokio::task::JoinHandle;
use tonic::codegen::InterceptedService;
use tonic::{Code, Request, Status};

use crate::bench::{in_time, spiffe_id};
use crate::nodes::Believing;

/// A server that serves.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) counted: Arc<Counted>,
    trail: Arc<NoTrail>,
    apis: Box<dyn Fn() -> Operator>,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

/// Calls that were counted.
#[derive(Default)]
pub(crate) struct Counted(Mutex<Vec<(&'static str, Code)>>);

impl Counted {
    /// How often a method was called with success.
    pub(crate) fn of(&self, method: &str) -> usize {
        self.all(method).into_iter().filter(|code| *code == Code::Ok).count()
    }

    /// How calls of a method ended.
    pub(crate) fn all(&self, method: &str) -> Vec<Code> {
        self.0.lock().iter().filter(|(path, _)| path.ends_with(method)).map(|(_, code)| *code).collect()
    }
}

impl CallMetrics for Counted {
    fn rpc(&self, row: &Row, code: Code, _elapsed: Duration) {
        self.0.lock().push((row.method, code));
    }

    fn turn(&self, _row: &Row, _code: Code, _elapsed: Duration) {}

    fn job(&self, _key: &str, _labels: &[(&'static str, String)], _code: Code, _elapsed: Duration) {}

    fn count(&self, _key: &str, _labels: &[(&'static str, String)]) {}

    fn gauge(&self, _key: &str, _labels: &[(&'static str, String)], _value: f64) {}

    fn render(&self) -> String {
        String::new()
    }
}

/// An audit trail that keeps nothing, and can be full.
#[derive(Default)]
struct NoTrail {
    is_full: AtomicBool,
}

#[async_trait::async_trait]
impl Recorder for NoTrail {
    async fn record(&self, _event: &Event) -> Result<(), AuditError> {
        if self.is_full.load(Ordering::Relaxed) { Err(AuditError("the disk is full".to_owned())) } else { Ok(()) }
    }
}

struct FixedLog;

impl LogControl for FixedLog {
    fn level(&self) -> Level {
        Level::Info
    }

    fn launch_level(&self) -> Level {
        Level::Info
    }

    fn set_level(&self, _level: Level) {}
}

impl TestServer {
    pub(crate) async fn start(folder: &Path, clock: Clock, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings(folder, "server", "example.org");
        change(&mut settings);
        Self::start_with(folder, clock, "server", settings).await
    }

    /// A server with a state of its own under `name`.
    pub(crate) async fn start_as(folder: &Path, clock: Clock, name: &str, trust_domain: &str) -> Self {
        Self::start_with(folder, clock, name, settings(folder, name, trust_domain)).await
    }

    async fn start_with(folder: &Path, clock: Clock, name: &str, settings: Settings) -> Self {
        let database = SqlConfig::sqlite(folder.join(format!("{name}.sqlite3")).to_str().unwrap());
        let backend = SqlBackend::open(&database, clock.clone()).unwrap();
        let store = Store::new(Arc::new(backend), clock.clone(), Arc::new(|_, _, _| {}));
        let (counted, trail) = (Arc::new(Counted::default()), Arc::new(NoTrail::default()));
        let parts = Parts {
            host: "host".to_owned(),
            clock,
            store,
            key_manager: Arc::new(MemoryKeys::default()),
            upstream_authority: None,
            node_attestors: vec![Arc::new(JoinTokenServer), Arc::new(Believing)],
            bundle_publishers: Vec::new(),
            notifiers: Vec::new(),
            audit: Audit::new(trail.clone()),
            audit_sinks: Vec::new(),
            log: Arc::new(FixedLog),
            metrics: counted.clone(),
        };
        let server = Server::new(settings, parts).await.unwrap();
        let (address, apis, shutdown) = (server.address().unwrap(), server.apis(), Shutdown::new());
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { server.run(stop).await.unwrap() });
        let peer = Peer::Unix(UnixPeer::own().unwrap());
        let apis = Box::new(move || Operator(Box::new(Apis { apis: apis.clone(), peer: peer.clone() })));
        Self { address, counted, trail, apis, shutdown, task }
    }

    /// Has what is to be recorded refused from now on, and with it all that is to be issued.
    pub(crate) fn refuse_records(&self) {
        self.trail.is_full.store(true, Ordering::Relaxed);
    }

    pub(crate) fn operator(&self) -> Operator {
        (self.apis)()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.trigger();
        in_time(self.task).await.unwrap();
    }
}

/// What an operator does on the private socket.
pub(crate) struct Operator(Box<dyn Calls>);

struct Apis<A> {
    apis: A,
    peer: Peer,
}

macro_rules! calls {
    ($($name:ident($package:ident::$server:ident::$client:ident, $method:ident, $in:ty, $out:ty);)*) => {
        #[async_trait::async_trait(?Send)]
        trait Calls {
            $(async fn $name(&self, request: $in) -> Result<$out, Status>;)*
        }

        #[async_trait::async_trait(?Send)]
        impl<A: steeple_net::Answers> Calls for Apis<A> {
            $(async fn $name(&self, request: $in) -> Result<$out, Status> {
                let peer = self.peer.clone();
                let service = InterceptedService::new(self.apis.clone(), move |mut request: Request<()>| {
                    request.extensions_mut().insert(peer.clone());
                    Ok(request)
                });
                let mut client = pb::$package::v1::$server::$client::new(service);
                Ok(in_time(client.$method(request)).await?.into_inner())
            })*
        }

        impl Operator {
            $(#[expect(clippy::allow_attributes, reason = "made for all calls alike")]
            #[allow(dead_code, reason = "made for all calls alike")]
            pub(crate) async fn $name(&self, request: $in) -> Result<$out, Status> {
                self.0.$name(request).await
            })*
        }
    };
}

calls! {
    ban_agent(agent::agent_client::AgentClient, ban_agent, pb::agent::v1::BanAgentRequest, ());
    delete_agent(agent::agent_client::AgentClient, delete_agent, pb::agent::v1::DeleteAgentRequest, ());
    create_join_token(agent::agent_client::AgentClient, create_join_token, pb::agent::v1::CreateJoinTokenRequest, types::JoinToken);
    list_agents(agent::agent_client::AgentClient, list_agents, pb::agent::v1::ListAgentsRequest, pb::agent::v1::ListAgentsResponse);
    get_bundle(bundle::bundle_client::BundleClient, get_bundle, pb::bundle::v1::GetBundleRequest, types::Bundle);
    append_bundle(bundle::bundle_client::BundleClient, append_bundle, pb::bundle::v1::AppendBundleRequest, types::Bundle);
    set_bundles(bundle::bundle_client::BundleClient, batch_set_federated_bundle, pb::bundle::v1::BatchSetFederatedBundleRequest, pb::bundle::v1::BatchSetFederatedBundleResponse);
    delete_bundles(bundle::bundle_client::BundleClient, batch_delete_federated_bundle, pb::bundle::v1::BatchDeleteFederatedBundleRequest, pb::bundle::v1::BatchDeleteFederatedBundleResponse);
    create_entries(entry::entry_client::EntryClient, batch_create_entry, pb::entry::v1::BatchCreateEntryRequest, pb::entry::v1::BatchCreateEntryResponse);
    update_entries(entry::entry_client::EntryClient, batch_update_entry, pb::entry::v1::BatchUpdateEntryRequest, pb::entry::v1::BatchUpdateEntryResponse);
    delete_entries(entry::entry_client::EntryClient, batch_delete_entry, pb::entry::v1::BatchDeleteEntryRequest, pb::entry::v1::BatchDeleteEntryResponse);
    prepare_x509(localauthority::local_authority_client::LocalAuthorityClient, prepare_x509_authority, authority::PrepareX509AuthorityRequest, authority::PrepareX509AuthorityResponse);
    activate_x509(localauthority::local_authority_client::LocalAuthorityClient, activate_x509_authority, authority::ActivateX509AuthorityRequest, authority::ActivateX509AuthorityResponse);
    show_x509(localauthority::local_authority_client::LocalAuthorityClient, get_x509_authority_state, authority::GetX509AuthorityStateRequest, authority::GetX509AuthorityStateResponse);
    taint_x509(localauthority::local_authority_client::LocalAuthorityClient, taint_x509_authority, authority::TaintX509AuthorityRequest, authority::TaintX509AuthorityResponse);
    revoke_x509(localauthority::local_authority_client::LocalAuthorityClient, revoke_x509_authority, authority::RevokeX509AuthorityRequest, authority::RevokeX509AuthorityResponse);
    prepare_jwt(localauthority::local_authority_client::LocalAuthorityClient, prepare_jwt_authority, authority::PrepareJwtAuthorityRequest, authority::PrepareJwtAuthorityResponse);
    activate_jwt(localauthority::local_authority_client::LocalAuthorityClient, activate_jwt_authority, authority::ActivateJwtAuthorityRequest, authority::ActivateJwtAuthorityResponse);
    show_jwt(localauthority::local_authority_client::LocalAuthorityClient, get_jwt_authority_state, authority::GetJwtAuthorityStateRequest, authority::GetJwtAuthorityStateResponse);
    taint_jwt(localauthority::local_authority_client::LocalAuthorityClient, taint_jwt_authority, authority::TaintJwtAuthorityRequest, authority::TaintJwtAuthorityResponse);
    mint_jwt(svid::svid_client::SvidClient, mint_jwtsvid, pb::svid::v1::MintJwtsvidRequest, pb::svid::v1::MintJwtsvidResponse);
}

impl Operator {
    pub(crate) async fn bundle_pem(&self) -> String {
        let bundle = self.get_bundle(pb::bundle::v1::GetBundleRequest::default()).await.unwrap();
        bundle.x509_authorities.iter().map(|authority| pem::encode("CERTIFICATE", &authority.asn1)).collect()
    }

    pub(crate) async fn join_token(&self) -> String {
        let agent_id = None;
        let request = pb::agent::v1::CreateJoinTokenRequest { ttl: 600, agent_id, ..Default::default() };
        self.create_join_token(request).await.unwrap().value
    }

    /// The agents that the server knows.
    pub(crate) async fn agents(&self) -> Vec<types::Agent> {
        self.list_agents(pb::agent::v1::ListAgentsRequest::default()).await.unwrap().agents
    }

    pub(crate) async fn create(&self, entry: types::Entry) -> types::Entry {
        let request = pb::entry::v1::BatchCreateEntryRequest { entries: vec![entry], output_mask: None };
        let result = self.create_entries(request).await.unwrap().results.remove(0);
        assert_eq!(result.status.unwrap().code, 0, "{:?}", result.entry);
        result.entry.unwrap()
    }

    pub(crate) async fn update(&self, entry: types::Entry) {
        let request =
            pb::entry::v1::BatchUpdateEntryRequest { entries: vec![entry], input_mask: None, output_mask: None };
        let result = self.update_entries(request).await.unwrap().results.remove(0);
        assert_eq!(result.status.unwrap().code, 0);
    }

    pub(crate) async fn delete(&self, id: &str) {
        let request = pb::entry::v1::BatchDeleteEntryRequest { ids: vec![id.to_owned()] };
        let result = self.delete_entries(request).await.unwrap().results.remove(0);
        assert_eq!(result.status.unwrap().code, 0);
    }

    pub(crate) async fn ban(&self, path: &str) {
        self.ban_agent(pb::agent::v1::BanAgentRequest { id: Some(spiffe_id(path)) }).await.unwrap();
    }

    pub(crate) async fn forget(&self, path: &str) {
        self.delete_agent(pb::agent::v1::DeleteAgentRequest { id: Some(spiffe_id(path)) }).await.unwrap();
    }

    /// Sets the bundle of a foreign trust domain.
    pub(crate) async fn federate(&self, bundle: types::Bundle) {
        let request = pb::bundle::v1::BatchSetFederatedBundleRequest { bundle: vec![bundle], output_mask: None };
        let result = self.set_bundles(request).await.unwrap().results.remove(0);
        assert_eq!(result.status.unwrap().code, 0);
    }
}

fn settings(folder: &Path, name: &str, trust_domain: &str) -> Settings {
    Settings {
        trust_domain: trust_domain.parse().unwrap(),
        bind_address: "127.0.0.1:0".parse().unwrap(),
        socket_path: folder.join(format!("{name}/api.sock")),
        ca_ttl: Duration::from_hours(24),
        ca_subject: steeple_ca::CaSubject::default(),
        ca_key_type: KeyType::EcP256,
        jwt_key_type: KeyType::EcP256,
        jwt_issuer: None,
        jwt_enabled: true,
        default_x509_svid_ttl: Duration::from_hours(1),
        default_jwt_svid_ttl: Duration::from_mins(5),
        agent_ttl: Duration::from_hours(1),
        admin_ids: vec![],
        access: None,
        rate_limits: RateSettings { attestation: false, signing: false },
        audit_log_enabled: false,
        agent_spiffe_id_as_selector: false,
        prune_nodes: None,
        prune_events_older_than: Duration::from_hours(12),
        trusted_proxies: steeple_net::TrustedProxies::default(),
        key_exchange: steeple_crypto::tls::KeyExchange::Any,
        following: FollowSettings::default(),
        federation: steeple_server::FederationSettings::default(),
        explain_redact: steeple_server::Redact::All,
        health: None,
        prometheus: None,
        audit_directory: None,
    }
}
