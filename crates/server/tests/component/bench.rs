//! What the tests share: a server with its parts, and callers.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use steeple_audit::{Audit, AuditError, Event, EventKind, Recorder};
use steeple_clock::{Clock, ManualClock};
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::x509::{Certificate, Name, self_signed_csr};
use steeple_keys::MemoryKeys;
use steeple_net::{Peer, Process, UnixPeer};
use steeple_node_attest::join_token::JoinTokenServer;
use steeple_plugin::{BundlePublisher, Notifier, UpstreamAuthority};
use steeple_proto::spire::api::server as pb;
use steeple_proto::spire::api::types;
use steeple_proto::spire::api::types::permission_denied_details::Reason;
use steeple_proto::steeple::server::access::v1::access_client::AccessClient;
use steeple_runtime::Shutdown;
use steeple_server::{
    CallMetrics, FollowSettings, LogControl, Parts, RateSettings, Row, Server, ServerError, Settings,
};
use steeple_store::Store;
use steeple_store_sql::{SqlBackend, SqlConfig};
use steeple_telemetry::Level;
use tempfile::TempDir;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::codegen::{InterceptedService, http};
use tonic::{Code, Request, Status};

/// The moment at which all tests begin.
pub(crate) const START: &str = "2026-01-01T00:00:00Z";

/// A server with its parts at hand.
pub(crate) struct Bench {
    pub(crate) server: Server,
    pub(crate) store: Store,
    pub(crate) hand: ManualClock,
    pub(crate) clock: Clock,
    pub(crate) recorded: Arc<Recorded>,
    pub(crate) counted: Arc<Counted>,
    keys: Arc<MemoryKeys>,
    folder: TempDir,
}

/// An audit log in memory, that fails when told to.
#[derive(Default)]
pub(crate) struct Recorded {
    events: Mutex<Vec<Event>>,
    /// How many events were recorded together, group by group.
    pub(crate) groups: Mutex<Vec<usize>>,
    pub(crate) broken: std::sync::atomic::AtomicBool,
}

impl Recorded {
    /// What was recorded, oldest first.
    pub(crate) fn kinds(&self) -> Vec<EventKind> {
        self.events.lock().iter().map(|event| event.kind.clone()).collect()
    }

    /// Who did it, oldest first.
    pub(crate) fn actors(&self) -> Vec<steeple_audit::Actor> {
        self.events.lock().iter().map(|event| event.actor.clone()).collect()
    }
}

#[async_trait::async_trait]
impl Recorder for Recorded {
    async fn record(&self, event: &Event) -> Result<(), AuditError> {
        if self.broken.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(AuditError("no space is left".to_owned()));
        }
        self.events.lock().push(event.clone());
        Ok(())
    }

    async fn record_all(&self, events: &[Event]) -> Result<(), AuditError> {
        self.groups.lock().push(events.len());
        for event in events {
            self.record(event).await?;
        }
        Ok(())
    }
}

/// What was counted.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) calls: Mutex<Vec<(String, Code)>>,
    jobs: watch::Sender<Vec<(String, Code)>>,
    events: Mutex<Vec<String>>,
    pub(crate) gauges: Mutex<BTreeMap<String, f64>>,
}

impl Counted {
    /// Waits until a job has ended so often; yields how.
    pub(crate) async fn jobs(&self, key: &str, count: usize) -> Vec<Code> {
        let of_job = |ended: &[(String, Code)]| {
            ended.iter().filter(|(name, _)| name == key).map(|(_, code)| *code).collect::<Vec<_>>()
        };
        let mut ended = self.jobs.subscribe();
        let ended = ended.wait_for(|ended| of_job(ended).len() >= count).await.unwrap();
        of_job(&ended)
    }

    /// How often something has happened.
    pub(crate) fn events(&self, key: &str) -> usize {
        self.events.lock().iter().filter(|name| *name == key).count()
    }
}

impl CallMetrics for Counted {
    fn rpc(&self, row: &Row, code: Code, _elapsed: Duration) {
        self.calls.lock().push((row.metric(), code));
    }

    fn turn(&self, row: &Row, code: Code, _elapsed: Duration) {
        self.calls.lock().push((row.turn_metric(), code));
    }

    fn job(&self, key: &str, _labels: &[(&'static str, String)], code: Code, _elapsed: Duration) {
        self.jobs.send_modify(|ended| ended.push((key.to_owned(), code)));
    }

    fn count(&self, key: &str, _labels: &[(&'static str, String)]) {
        self.events.lock().push(key.to_owned());
    }

    fn gauge(&self, key: &str, _labels: &[(&'static str, String)], value: f64) {
        self.gauges.lock().insert(key.to_owned(), value);
    }

    fn render(&self) -> String {
        String::new()
    }
}

struct FixedLog(Mutex<Level>);

impl LogControl for FixedLog {
    fn level(&self) -> Level {
        *self.0.lock()
    }

    fn launch_level(&self) -> Level {
        Level::Info
    }

    fn set_level(&self, level: Level) {
        *self.0.lock() = level;
    }
}

impl Bench {
    /// A server of `example.org`.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A server whose settings were changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let (clock, hand) = Clock::manual(START.parse().unwrap());
        Self::over(tempfile::tempdir().unwrap(), Arc::default(), clock, hand, change).await
    }

    /// The same, if it starts.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Result<Self, ServerError> {
        let (clock, hand) = Clock::manual(START.parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        Self::start(folder, Arc::default(), clock, hand, |settings, _| change(settings)).await
    }

    /// The same server after a stop and a start.
    pub(crate) async fn restarted(self) -> Self {
        let Self { server, store, hand, clock, keys, folder, .. } = self;
        drop((server, store));
        Self::over(folder, keys, clock, hand, |_| {}).await
    }

    /// A server with publishers and notifiers, if it starts.
    pub(crate) async fn publishing(
        bundle_publishers: Vec<Arc<dyn BundlePublisher>>,
        notifiers: Vec<Arc<dyn Notifier>>,
    ) -> Result<Self, ServerError> {
        let (clock, hand) = Clock::manual(START.parse().unwrap());
        let add = |_: &mut Settings, parts: &mut Parts| {
            (parts.bundle_publishers, parts.notifiers) = (bundle_publishers, notifiers);
        };
        Self::start(tempfile::tempdir().unwrap(), Arc::default(), clock, hand, add).await
    }

    /// A server that records by `audit`.
    pub(crate) async fn recording(audit: Audit) -> Self {
        let (clock, hand) = Clock::manual(START.parse().unwrap());
        let add = |_: &mut Settings, parts: &mut Parts| parts.audit = audit;
        Self::start(tempfile::tempdir().unwrap(), Arc::default(), clock, hand, add).await.unwrap()
    }

    /// A server below an upstream authority.
    pub(crate) async fn below(upstream: Arc<dyn UpstreamAuthority>) -> Self {
        let (clock, hand) = Clock::manual(START.parse().unwrap());
        let add = |_: &mut Settings, parts: &mut Parts| parts.upstream_authority = Some(upstream);
        Self::start(tempfile::tempdir().unwrap(), Arc::default(), clock, hand, add).await.unwrap()
    }

    /// A server that records by `audit`, below an upstream authority if there is one.
    pub(crate) async fn recording_below(audit: Audit, upstream: Option<Arc<dyn UpstreamAuthority>>) -> Self {
        let (clock, hand) = Clock::manual(START.parse().unwrap());
        let add = |_: &mut Settings, parts: &mut Parts| (parts.audit, parts.upstream_authority) = (audit, upstream);
        Self::start(tempfile::tempdir().unwrap(), Arc::default(), clock, hand, add).await.unwrap()
    }

    async fn over(
        folder: TempDir,
        keys: Arc<MemoryKeys>,
        clock: Clock,
        hand: ManualClock,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::start(folder, keys, clock, hand, |settings, _| change(settings)).await.unwrap()
    }

    async fn start(
        folder: TempDir,
        keys: Arc<MemoryKeys>,
        clock: Clock,
        hand: ManualClock,
        change: impl FnOnce(&mut Settings, &mut Parts),
    ) -> Result<Self, ServerError> {
        let database = SqlConfig::sqlite(folder.path().join("db.sqlite3").to_str().unwrap());
        let backend = SqlBackend::open(&database, clock.clone()).unwrap();
        let store = Store::new(Arc::new(backend), clock.clone(), Arc::new(|_, _, _| {}));
        let (recorded, counted) = (Arc::new(Recorded::default()), Arc::new(Counted::default()));
        let mut settings = settings(&folder);
        let mut parts = Parts {
            host: "host".to_owned(),
            clock: clock.clone(),
            store: store.clone(),
            key_manager: keys.clone(),
            upstream_authority: None,
            node_attestors: vec![Arc::new(JoinTokenServer)],
            bundle_publishers: Vec::new(),
            notifiers: Vec::new(),
            audit: Audit::new(recorded.clone()),
            audit_sinks: Vec::new(),
            log: Arc::new(FixedLog(Mutex::new(Level::Info))),
            metrics: counted.clone(),
        };
        change(&mut settings, &mut parts);
        let store = parts.store.clone();
        let server = Server::new(settings, parts).await?;
        Ok(Self { server, store, hand, clock, recorded, counted, keys, folder })
    }

    /// Another server on the same datastore, with keys of its own.
    pub(crate) async fn beside(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = self.other_server();
        let add = |_: &mut Settings, parts: &mut Parts| parts.store = store;
        Self::start(folder, Arc::default(), self.clock.clone(), self.hand.clone(), add).await.unwrap()
    }

    /// The same datastore as another server has it: writes of this one are not told to the other.
    pub(crate) fn other_server(&self) -> Store {
        let database = SqlConfig::sqlite(self.folder.path().join("db.sqlite3").to_str().unwrap());
        let backend = SqlBackend::open(&database, self.clock.clone()).unwrap();
        Store::new(Arc::new(backend), self.clock.clone(), Arc::new(|_, _, _| {}))
    }

    /// Calls by a process on the private socket.
    pub(crate) fn local(&self) -> Calls<impl steeple_net::Answers + use<>> {
        self.calls(local_peer())
    }

    /// Calls by this process, on the private socket, as if it ran as another user and group.
    pub(crate) fn unix(&self, uid: u32, gid: u32) -> Calls<impl steeple_net::Answers + use<>> {
        let process = Arc::new(Process::hold(rustix::process::getpid()).unwrap());
        self.calls(Peer::Unix(UnixPeer { uid, gid, process }))
    }

    /// Calls from the network with the certificates of `chain`, none if it is empty.
    pub(crate) fn remote(&self, chain: &[Vec<u8>]) -> Calls<impl steeple_net::Answers + use<>> {
        self.calls(remote_peer(chain))
    }

    /// Calls by whom it may be.
    pub(crate) fn calls(&self, peer: Peer) -> Calls<impl steeple_net::Answers + use<>> {
        Calls { apis: self.server.apis(), peer, token: None }
    }

    /// Attests an agent by a new join token.
    pub(crate) async fn agent(&self) -> Agent {
        let request = pb::agent::v1::CreateJoinTokenRequest { ttl: 60, ..Default::default() };
        let token = self.local().agent().create_join_token(request).await.unwrap().into_inner().value;
        let svid = self.attest(&token).await.unwrap();
        Agent { id: svid.id.clone().unwrap(), chain: svid.cert_chain }
    }

    /// Attests by a join token.
    pub(crate) async fn attest(&self, token: &str) -> Result<types::X509svid, Status> {
        self.attest_with(attest_request("join_token", token.as_bytes(), csr(&[]))).await
    }

    /// Attests by one message.
    pub(crate) async fn attest_with(
        &self,
        request: pb::agent::v1::AttestAgentRequest,
    ) -> Result<types::X509svid, Status> {
        use pb::agent::v1::attest_agent_response::Step;
        let request = tokio_stream::iter([request]);
        let answer = self.remote(&[]).agent().attest_agent(request).await?.into_inner().message().await?;
        match answer.unwrap().step.unwrap() {
            Step::Result(result) => Ok(result.svid.unwrap()),
            Step::Challenge(_) => Err(Status::internal("unexpected challenge")),
        }
    }

    /// Registers a workload below `parent` and yields the entry.
    pub(crate) async fn entry(&self, parent: &types::Spiffeid, path: &str) -> types::Entry {
        let entry = entry(parent, path);
        let request = pb::entry::v1::BatchCreateEntryRequest { entries: vec![entry], output_mask: None };
        let results = self.local().entry().batch_create_entry(request).await.unwrap().into_inner().results;
        assert_eq!(results[0].status.as_ref().unwrap().code, 0, "{results:?}");
        results[0].entry.clone().unwrap()
    }
}

/// A process on the private socket.
pub(crate) fn local_peer() -> Peer {
    let process = Arc::new(Process::hold(rustix::process::getpid()).unwrap());
    Peer::Unix(UnixPeer { uid: 1000, gid: 1000, process })
}

/// A party of the network with the certificates of `chain`, none if it is empty.
pub(crate) fn remote_peer(chain: &[Vec<u8>]) -> Peer {
    Peer::Tls { address: "192.0.2.7:40000".parse().unwrap(), chain: chain.into() }
}

/// Serves as long as `drive` goes on.
pub(crate) async fn serve<T>(server: Server, drive: impl Future<Output = T>) -> T {
    let shutdown = Shutdown::new();
    let drive = async {
        let outcome = drive.await;
        shutdown.trigger();
        outcome
    };
    let (ended, outcome) = tokio::join!(server.run(shutdown.clone()), drive);
    ended.unwrap();
    outcome
}

/// An agent that attested.
pub(crate) struct Agent {
    pub(crate) id: types::Spiffeid,
    pub(crate) chain: Vec<Vec<u8>>,
}

/// A caller.
pub(crate) struct Calls<A> {
    apis: A,
    peer: Peer,
    token: Option<String>,
}

macro_rules! clients {
    ($($name:ident: $package:ident::$server:ident::$client:ident),*) => { $(
        pub(crate) fn $name(&self) -> pb::$package::v1::$server::$client<
            InterceptedService<A, impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone + use<A>>,
        > {
            pb::$package::v1::$server::$client::new(self.service())
        }
    )* };
}

impl<A> Calls<A>
where
    A: steeple_net::Answers,
{
    clients! {
        agent: agent::agent_client::AgentClient,
        bundle: bundle::bundle_client::BundleClient,
        debug: debug::debug_client::DebugClient,
        entry: entry::entry_client::EntryClient,
        local_authority: localauthority::local_authority_client::LocalAuthorityClient,
        logger: logger::logger_client::LoggerClient,
        svid: svid::svid_client::SvidClient,
        trust_domain: trustdomain::trust_domain_client::TrustDomainClient
    }

    #[expect(clippy::type_complexity, reason = "as the macro writes it for the other services")]
    pub(crate) fn access(
        &self,
    ) -> AccessClient<InterceptedService<A, impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone + use<A>>>
    {
        AccessClient::new(self.service())
    }

    /// The same with a token of an OIDC issuer.
    pub(crate) fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// The APIs as this caller reaches them.
    pub(crate) fn service(
        &self,
    ) -> InterceptedService<A, impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone + use<A>> {
        let (peer, token) = (self.peer.clone(), self.token.clone());
        InterceptedService::new(self.apis.clone(), move |mut request: Request<()>| {
            request.extensions_mut().insert(peer.clone());
            if let Some(token) = &token {
                request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
            }
            Ok(request)
        })
    }

    /// A call without a message, for its status alone.
    pub(crate) async fn status_of(&self, method: &str) -> Status {
        let mut apis = self.apis.clone();
        let request = http::Request::post(method).header("content-type", "application/grpc");
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(self.peer.clone());
        let response = apis.call(request).await.unwrap();
        match Status::from_header_map(response.headers()) {
            Some(status) => status,
            None => trailers_of(response.into_body()).await,
        }
    }
}

async fn trailers_of(body: Body) -> Status {
    let trailers = http_body_util::BodyExt::collect(body).await.unwrap().trailers().cloned().unwrap();
    Status::from_header_map(&trailers).unwrap()
}

fn settings(folder: &TempDir) -> Settings {
    Settings {
        trust_domain: "example.org".parse().unwrap(),
        bind_address: "127.0.0.1:0".parse().unwrap(),
        socket_path: folder.path().join("private/api.sock"),
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
        rate_limits: RateSettings { attestation: false, signing: true },
        audit_log_enabled: true,
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

/// A request for a certificate with these URIs, by a new key.
pub(crate) fn csr(uris: &[&str]) -> Vec<u8> {
    let key = PrivateKey::generate(KeyType::EcP256).unwrap();
    let uris: Vec<String> = uris.iter().map(|uri| (*uri).to_owned()).collect();
    self_signed_csr(&key, &Name::default(), &uris, &[]).unwrap()
}

/// The first message of an attestation.
pub(crate) fn attest_request(kind: &str, payload: &[u8], csr: Vec<u8>) -> pb::agent::v1::AttestAgentRequest {
    use pb::agent::v1::attest_agent_request::{Params, Step};
    let data = types::AttestationData { r#type: kind.to_owned(), payload: payload.to_vec() };
    let params = pb::agent::v1::AgentX509svidParams { csr };
    let step = Some(Step::Params(Params { data: Some(data), params: Some(params) }));
    pb::agent::v1::AttestAgentRequest { step }
}

/// A workload's entry with one selector.
pub(crate) fn entry(parent: &types::Spiffeid, path: &str) -> types::Entry {
    types::Entry {
        spiffe_id: Some(spiffe_id(path)),
        parent_id: Some(parent.clone()),
        selectors: vec![types::Selector {
            r#type: "unix".to_owned(),
            value: format!("user:{}", path.trim_matches('/')),
        }],
        ..types::Entry::default()
    }
}

/// An ID of the trust domain.
pub(crate) fn spiffe_id(path: &str) -> types::Spiffeid {
    types::Spiffeid { trust_domain: "example.org".to_owned(), path: path.to_owned() }
}

/// Serial number of the first certificate of a chain.
pub(crate) fn serial_of(chain: &[Vec<u8>]) -> String {
    Certificate::from_der(&chain[0]).unwrap().serial_decimal()
}

/// A time so many seconds after the start.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = START.parse().unwrap();
    start + Duration::from_secs(seconds.unsigned_abs())
}

/// The code and message of a refusal.
pub(crate) fn refused<T>(outcome: Result<T, Status>) -> (Code, String) {
    let status = outcome.err().unwrap();
    (status.code(), status.message().to_owned())
}

/// The reason that a denial tells agents.
pub(crate) fn reason(status: &Status) -> Option<Reason> {
    use prost::Message;
    let details = steeple_proto::google::rpc::Status::decode(status.details()).ok()?.details;
    let details = types::PermissionDeniedDetails::decode(details.first()?.value.as_slice()).ok()?;
    Reason::try_from(details.reason).ok()
}
