//! What the tests share: a server and an agent with their parts, operators, and workloads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use steeple_agent::state::{Memory, Remembered};
use steeple_agent::{Agent, AgentError, Bootstrap, Parts, Progress, Rebootstrap, SdsNames, Settings};
use steeple_client::connect_unix;
use steeple_clock::{Clock, ManualClock};
use steeple_crypto::keys::KeyType;
use steeple_crypto::tls::KeyExchange;
use steeple_keys::DiskKeys;
use steeple_node_attest::join_token::JoinTokenAgent;
use steeple_plugin::{AgentNodeAttestor, ErrorClass, MountedPod, PluginError, WorkloadAttestor};
use steeple_proto::spire::api::types;
use steeple_proto::workload as wl;
use steeple_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use steeple_runtime::Shutdown;
use steeple_telemetry::{Format, Level, Log, LogConfig, Metrics};
use steeple_types::Selector;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use tracing::subscriber::DefaultGuard;

use crate::nodes::Believing;
use crate::servers::{Operator, TestServer};
use crate::wire::Wire;

/// The moment at which all tests begin.
pub(crate) const START: &str = "2026-01-01T00:00:00Z";
/// Longer than anything here takes on any machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Server, agent and workload, with their parts at hand.
pub(crate) struct Bench {
    pub(crate) hand: ManualClock,
    pub(crate) clock: Clock,
    pub(crate) wire: Wire,
    pub(crate) server: TestServer,
    pub(crate) settings: Settings,
    pub(crate) labels: Arc<Labels>,
    /// Workload attestors in the place of `labels`.
    pub(crate) attestors: Vec<Arc<dyn WorkloadAttestor>>,
    pub(crate) attestor: Arc<dyn AgentNodeAttestor>,
    pub(crate) metrics: Metrics,
    log: Log,
    running: Option<Running>,
    folder: TempDir,
    _logging: DefaultGuard,
}

struct Running {
    progress: watch::Receiver<Progress>,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), AgentError>>,
}

/// A workload attestor that says of any process, and of each pod, what a test told it to.
pub(crate) struct Labels {
    processes: Mutex<Result<Vec<Selector>, String>>,
    pods: Mutex<BTreeMap<String, Vec<Selector>>>,
}

impl Labels {
    pub(crate) fn set(&self, values: &[&str]) {
        *self.processes.lock() = Ok(labels(values));
    }

    pub(crate) fn fail(&self) {
        *self.processes.lock() = Err("out of order".to_owned());
    }

    /// Says this of a pod from now on.
    pub(crate) fn pod(&self, uid: &str, values: &[&str]) {
        self.pods.lock().insert(uid.to_owned(), labels(values));
    }

    /// Knows nothing of a pod from now on.
    pub(crate) fn no_pod(&self, uid: &str) {
        self.pods.lock().remove(uid);
    }
}

fn labels(values: &[&str]) -> Vec<Selector> {
    values.iter().map(|value| Selector::new("test", *value).unwrap()).collect()
}

#[async_trait::async_trait]
impl WorkloadAttestor for Labels {
    fn name(&self) -> &str {
        "labels"
    }

    async fn attest(&self, _pid: u32) -> Result<Vec<Selector>, PluginError> {
        let answer = self.processes.lock().clone();
        answer.map_err(|error| PluginError::new("workloadattestor", "labels", ErrorClass::Internal, error))
    }

    async fn attest_pod(&self, pod: &MountedPod) -> Result<Vec<Selector>, PluginError> {
        let known = self.pods.lock().get(&pod.uid).cloned();
        known.ok_or_else(|| PluginError::new("workloadattestor", "labels", ErrorClass::NotFound, "no such pod"))
    }
}

impl Bench {
    /// A server, and an agent of it that serves.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with settings of the agent changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut bench = Self::without_agent().await;
        change(&mut bench.settings);
        bench.start().await;
        bench
    }

    /// A server, and an agent that was not started.
    pub(crate) async fn without_agent() -> Self {
        Self::without_agent_on(|_| {}).await
    }

    /// The same on a server with settings changed.
    pub(crate) async fn without_agent_on(change: impl FnOnce(&mut steeple_server::Settings)) -> Self {
        let (clock, hand) = Clock::manual(START.parse().unwrap());
        let folder = tempfile::Builder::new().prefix("sa-").tempdir().unwrap();
        let file = Some(folder.path().join("log"));
        let config = LogConfig { level: Level::Debug, format: Format::Text, file, source_location: false };
        let (log, subscriber) = Log::new(&config, clock.clone()).unwrap();
        let logging = tracing::subscriber::set_default(subscriber);
        let server = TestServer::start(folder.path(), clock.clone(), change).await;
        let wire = Wire::new().await;
        wire.lay(server.address);
        let bundle = folder.path().join("bundle.pem");
        std::fs::write(&bundle, server.operator().bundle_pem().await).unwrap();
        let settings = settings(&folder, wire.port(), bundle);
        let labels = Arc::new(Labels { processes: Mutex::new(Ok(labels(&["w"]))), pods: Mutex::default() });
        let metrics = Metrics::new("spire_agent", Vec::new());
        let attestor = Arc::new(Believing);
        Self {
            hand,
            clock,
            wire,
            server,
            settings,
            labels,
            attestors: Vec::new(),
            attestor,
            metrics,
            log,
            running: None,
            folder,
            _logging: logging,
        }
    }

    /// Has another agent attest by `token`, and ends it; then the own agent goes on.
    pub(crate) async fn join_another(&mut self, token: &str) {
        self.stop().await;
        let own = (self.settings.data_dir.clone(), Arc::clone(&self.attestor));
        let other = self.folder().join("another");
        std::fs::create_dir(&other).unwrap();
        self.settings.data_dir = other;
        self.attestor = Arc::new(JoinTokenAgent::new(token.to_owned()));
        self.start().await;
        self.stop().await;
        (self.settings.data_dir, self.attestor) = own;
        self.start().await;
    }

    /// Makes the agent attest by a new join token.
    pub(crate) async fn by_token(&mut self) {
        let token = self.operator().join_token().await;
        self.attestor = Arc::new(JoinTokenAgent::new(token));
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) fn operator(&self) -> Operator {
        self.server.operator()
    }

    /// What the agent remembers on disk.
    pub(crate) fn remembered(&self) -> Remembered {
        Memory::new(&self.settings.data_dir).read().unwrap()
    }

    /// All that was logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn parts(&self) -> Parts {
        Parts {
            clock: self.clock.clone(),
            key_manager: Arc::new(DiskKeys::open(self.settings.data_dir.join("keys.json")).unwrap()),
            node_attestor: Arc::clone(&self.attestor),
            workload_attestors: if self.attestors.is_empty() {
                vec![self.labels.clone()]
            } else {
                self.attestors.clone()
            },
            log: self.log.clone(),
            metrics: self.metrics.clone(),
        }
    }

    /// Starts the agent without waiting for anything.
    pub(crate) fn spawn(&mut self) {
        let agent = Agent::new(self.settings.clone(), self.parts()).unwrap();
        let (progress, shutdown) = (agent.progress(), Shutdown::new());
        let task = tokio::spawn(agent.run(shutdown.clone()));
        self.running = Some(Running { progress, shutdown, task });
    }

    /// Starts the agent and waits until it serves.
    pub(crate) async fn start(&mut self) {
        self.spawn();
        self.served().await;
    }

    /// Waits until the agent serves.
    pub(crate) async fn served(&mut self) {
        let mut progress = self.running.as_ref().unwrap().progress.clone();
        let served = progress.wait_for(|progress| progress.serving);
        let served = Clock::system().timeout(PATIENCE, served).await.map(|served| served.is_ok());
        match served {
            Ok(true) => {}
            Ok(false) => panic!("the agent has ended: {:?}\n{}", self.ended().await, self.log()),
            Err(_) => panic!("the agent does not serve\n{}", self.log()),
        }
        self.rest().await;
    }

    /// Stops the agent in order.
    pub(crate) async fn stop(&mut self) {
        let Running { shutdown, mut task, .. } = self.running.take().unwrap();
        shutdown.trigger();
        let stopped = async {
            loop {
                // Calls that go on have a moment more.
                self.hand.advance(Duration::from_millis(100));
                tokio::task::yield_now().await;
                if task.is_finished() {
                    return (&mut task).await;
                }
            }
        };
        in_time(stopped).await.unwrap().unwrap();
    }

    /// Stops the agent as a power failure would.
    pub(crate) async fn kill(&mut self) {
        let Running { task, shutdown, .. } = self.running.take().unwrap();
        task.abort();
        let _ended = in_time(task).await;
        // Nothing of it is left to answer.
        shutdown.trigger();
        while std::os::unix::net::UnixStream::connect(&self.settings.socket_path).is_ok() {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the agent ends by itself; yields why.
    pub(crate) async fn ended(&mut self) -> String {
        let Running { task, .. } = self.running.take().unwrap();
        in_time(task).await.unwrap().unwrap_err().to_string()
    }

    /// Whether the agent has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.running.as_ref().is_none_or(|running| running.task.is_finished())
    }

    pub(crate) fn progress(&self) -> Progress {
        *self.running.as_ref().unwrap().progress.borrow()
    }

    async fn rest(&mut self) {
        let running = self.running.as_mut().unwrap();
        let _gone = in_time(running.progress.wait_for(|progress| progress.rounds > 0)).await;
    }

    /// Lets time pass, and waits until the agent has done what was due.
    pub(crate) async fn pass(&mut self, time: Duration) {
        let Some(running) = self.running.as_mut() else { return self.hand.advance(time) };
        let seen = running.progress.borrow_and_update().rounds;
        self.hand.advance(time);
        // An agent that ends has nothing more to do either.
        let _ended = in_time(running.progress.wait_for(|progress| progress.rounds > seen)).await;
    }

    /// Two rounds: whatever was under way when the first began has had its turn by the end of the second.
    pub(crate) async fn settle(&mut self) {
        for _ in 0..2 {
            self.pass(Duration::from_secs(6)).await;
        }
    }

    /// A workload's calls.
    pub(crate) fn workload(&self) -> Workload {
        Workload(SpiffeWorkloadApiClient::new(self.channel()))
    }

    /// A channel to the public socket.
    pub(crate) fn channel(&self) -> Channel {
        connect_unix(&self.settings.socket_path)
    }

    /// A channel to the admin socket.
    pub(crate) fn admin_channel(&self) -> Channel {
        connect_unix(self.settings.admin_socket_path.as_ref().unwrap())
    }

    /// Registers an identity for the workload with these selectors and lets the agent learn of it.
    pub(crate) async fn entry(&mut self, id: &str, selectors: &[&str]) -> types::Entry {
        let entry = entry(id, selectors);
        let made = self.operator().create(entry).await;
        self.settle().await;
        made
    }
}

/// Fails a test rather than to wait for ever.
pub(crate) async fn in_time<F: Future>(future: F) -> F::Output {
    Clock::system().timeout(PATIENCE, future).await.expect("it takes too long")
}

/// An entry below the agent for the node that [`Believing`] tells of.
pub(crate) fn entry(id: &str, selectors: &[&str]) -> types::Entry {
    let selector = |value: &&str| types::Selector { r#type: "test".to_owned(), value: (*value).to_owned() };
    types::Entry {
        id: id.to_owned(),
        spiffe_id: Some(spiffe_id(&format!("/{id}"))),
        parent_id: Some(spiffe_id("/spire/agent/believing/node")),
        selectors: selectors.iter().map(selector).collect(),
        ..types::Entry::default()
    }
}

/// An ID of the trust domain.
pub(crate) fn spiffe_id(path: &str) -> types::Spiffeid {
    types::Spiffeid { trust_domain: "example.org".to_owned(), path: path.to_owned() }
}

/// A workload's calls, with the header that they must have.
pub(crate) struct Workload(SpiffeWorkloadApiClient<Channel>);

fn with_header<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("workload.spiffe.io", "true".parse().unwrap());
    request
}

impl Workload {
    /// Calls on another socket.
    pub(crate) fn at(socket: &Path) -> Self {
        Self(SpiffeWorkloadApiClient::new(connect_unix(socket)))
    }

    pub(crate) async fn x509_stream(&mut self) -> Result<Streaming<wl::X509svidResponse>, Status> {
        in_time(self.0.fetch_x509svid(with_header(wl::X509svidRequest {}))).await.map(tonic::Response::into_inner)
    }

    /// The first answer of `FetchX509SVID`.
    pub(crate) async fn x509(&mut self) -> Result<wl::X509svidResponse, Status> {
        let mut stream = self.x509_stream().await?;
        next(&mut stream).await
    }

    /// The IDs that the workload gets, in order.
    pub(crate) async fn ids(&mut self) -> Vec<String> {
        match self.x509().await {
            Ok(answer) => answer.svids.into_iter().map(|svid| svid.spiffe_id).collect(),
            Err(status) => {
                assert_eq!(refusal(&status), (Code::PermissionDenied, "no identity issued"));
                Vec::new()
            }
        }
    }

    pub(crate) async fn x509_bundles(&mut self) -> Result<Streaming<wl::X509BundlesResponse>, Status> {
        let call = self.0.fetch_x509_bundles(with_header(wl::X509BundlesRequest {}));
        in_time(call).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn jwt_bundles(&mut self) -> Result<Streaming<wl::JwtBundlesResponse>, Status> {
        let call = self.0.fetch_jwt_bundles(with_header(wl::JwtBundlesRequest {}));
        in_time(call).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn jwt(&mut self, audience: &[&str], spiffe_id: &str) -> Result<Vec<wl::Jwtsvid>, Status> {
        let audience = audience.iter().map(|audience| (*audience).to_owned()).collect();
        let request = wl::JwtsvidRequest { audience, spiffe_id: spiffe_id.to_owned() };
        Ok(in_time(self.0.fetch_jwtsvid(with_header(request))).await?.into_inner().svids)
    }

    pub(crate) async fn validate(&mut self, audience: &str, svid: &str) -> Result<wl::ValidateJwtsvidResponse, Status> {
        let request = wl::ValidateJwtsvidRequest { audience: audience.to_owned(), svid: svid.to_owned() };
        Ok(in_time(self.0.validate_jwtsvid(with_header(request))).await?.into_inner())
    }
}

/// The next message of a stream that goes on.
pub(crate) async fn next<T>(stream: &mut Streaming<T>) -> Result<T, Status> {
    Ok(in_time(stream.message()).await?.expect("the stream has ended"))
}

/// The code and message of a refusal.
pub(crate) fn refusal(status: &Status) -> (Code, &str) {
    (status.code(), status.message())
}

/// The claims of a token, unverified.
pub(crate) fn claims(token: &str) -> serde_json::Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn settings(folder: &TempDir, port: u16, bundle: PathBuf) -> Settings {
    let data_dir = folder.path().join("data");
    std::fs::create_dir(&data_dir).unwrap();
    Settings {
        trust_domain: "example.org".parse().unwrap(),
        server_address: "127.0.0.1".to_owned(),
        server_port: port,
        data_dir,
        socket_path: folder.path().join("public/api.sock"),
        admin_socket_path: Some(folder.path().join("private/admin.sock")),
        bootstrap: Bootstrap::PemFile(bundle),
        rebootstrap: Rebootstrap::default(),
        workload_key_type: KeyType::EcP256,
        sync_interval: Duration::from_secs(5),
        availability_target: None,
        x509_svid_cache_max_size: 1_000,
        jwt_svid_cache_max_size: 1_000,
        jwt_svid_cache_hit_timeout: Duration::from_secs(30),
        workload_limits: BTreeMap::new(),
        log_selectors: Vec::new(),
        explain_redact: steeple_agent::Redact::Values,
        key_exchange: KeyExchange::Any,
        allow_unauthenticated_verifiers: false,
        allowed_foreign_jwt_claims: Vec::new(),
        workload_api: true,
        sds_api: true,
        sds: SdsNames::default(),
        health: None,
        prometheus: None,
        pod_sockets: None,
        version: "1.16.0".to_owned(),
    }
}
