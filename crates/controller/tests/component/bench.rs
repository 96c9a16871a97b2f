//! What the tests share: an API server, a server, and a controller between them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use steeple_audit::{Audit, AuditError, Event, Recorder};
use steeple_clock::Clock;
use steeple_controller::{
    Controller, ControllerError, ElectionSettings, Kind, Ownership, Planned, Registered, Settings,
};
use steeple_crypto::keys::KeyType;
use steeple_k8s::fake::{FakeApiServer, Known, Objects};
use steeple_keys::MemoryKeys;
use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;
use steeple_proto::spire::api::server::bundle::v1::{BatchSetFederatedBundleRequest, GetBundleRequest};
use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::server::entry::v1::entry_client::EntryClient;
use steeple_proto::spire::api::types;
use steeple_registration::{Class, Cluster};
use steeple_runtime::Shutdown;
use steeple_server::{
    CallMetrics, FollowSettings, LogControl, Parts, RateSettings, Row, Server, Settings as ServerSettings,
};
use steeple_store::Store;
use steeple_store_sql::{SqlBackend, SqlConfig};
use steeple_telemetry::{Level, Metrics};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::transport::Channel;

/// Longest wait of a test: what has not come by then does not come.
const LONG: Duration = Duration::from_mins(2);

/// An API server, and the place of a server.
pub(crate) struct Bench {
    pub(crate) api: FakeApiServer,
    pub(crate) counted: Arc<Counted>,
    keys: Arc<MemoryKeys>,
    folder: TempDir,
}

/// A part that runs until it is stopped.
pub(crate) struct Running<E> {
    shutdown: Shutdown,
    task: JoinHandle<Result<(), E>>,
}

/// How often methods were called.
pub(crate) struct Counted {
    calls: Mutex<BTreeMap<String, usize>>,
    seen: watch::Sender<usize>,
}

impl Counted {
    /// How often a method, such as `BatchCreateEntry`, was called with success.
    pub(crate) fn of(&self, method: &str) -> usize {
        self.calls.lock().get(method).copied().unwrap_or_default()
    }

    pub(crate) fn writes(&self) -> usize {
        ["BatchCreateEntry", "BatchUpdateEntry", "BatchDeleteEntry"].iter().map(|method| self.of(method)).sum()
    }
}

impl CallMetrics for Counted {
    fn rpc(&self, row: &Row, code: Code, _elapsed: Duration) {
        if code == Code::Ok {
            let method = row.method.rsplit('/').next().unwrap_or_default().to_owned();
            *self.calls.lock().entry(method).or_default() += 1;
        }
        self.seen.send_modify(|seen| *seen += 1);
    }

    fn turn(&self, _row: &Row, _code: Code, _elapsed: Duration) {}

    fn job(&self, _key: &str, _labels: &[(&'static str, String)], _code: Code, _elapsed: Duration) {}

    fn count(&self, _key: &str, _labels: &[(&'static str, String)]) {}

    fn gauge(&self, _key: &str, _labels: &[(&'static str, String)], _value: f64) {}

    fn render(&self) -> String {
        String::new()
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let api = FakeApiServer::start(Known::default()).await.unwrap();
        let counted = Arc::new(Counted { calls: Mutex::default(), seen: watch::Sender::new(0) });
        let bench = Self { api, counted, keys: Arc::default(), folder: tempfile::tempdir().unwrap() };
        bench.put("/api/v1/nodes/node-1", json!({"metadata": {"uid": "node-1"}}));
        bench.put("/api/v1/namespaces/default", json!({"metadata": {"labels": {"team": "a"}}}));
        bench.put_identity("all", json!({"spiffeIDTemplate": by_label("")}));
        bench
    }

    /// Puts an object of the API server.
    pub(crate) fn put(&self, path: &str, object: Value) {
        self.api.known(|known| known.objects.put(path, object));
    }

    /// Puts a ClusterSPIFFEID.
    pub(crate) fn put_identity(&self, name: &str, spec: Value) {
        self.put(&identity_path(name), json!({"metadata": {}, "spec": spec}));
    }

    /// Waits until the status of an object is as it should be.
    pub(crate) async fn status(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let status = |objects: &Objects| objects.at(path).map(|object| object["status"].clone()).unwrap_or_default();
        in_time(self.api.objects(|objects| wanted(&status(objects)))).await;
        self.api.known(|known| status(&known.objects))
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("private/api.sock")
    }

    /// Starts the server, with the state that it had.
    pub(crate) async fn server(&self) -> Running<String> {
        let clock = Clock::system();
        let database = SqlConfig::sqlite(self.folder.path().join("datastore.sqlite3").to_str().unwrap());
        let backend = SqlBackend::open(&database, clock.clone()).unwrap();
        let parts = Parts {
            host: "host".to_owned(),
            store: Store::new(Arc::new(backend), clock.clone(), Arc::new(|_, _, _| {})),
            clock,
            key_manager: self.keys.clone(),
            upstream_authority: None,
            node_attestors: vec![],
            audit: Audit::new(Arc::new(NoAudit)),
            audit_sinks: Vec::new(),
            log: Arc::new(FixedLog),
            metrics: self.counted.clone(),
            bundle_publishers: vec![],
            notifiers: vec![],
        };
        let server = Server::new(server_settings(self.socket()), parts).await.unwrap();
        let shutdown = Shutdown::new();
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { server.run(stop).await.map_err(|error| error.to_string()) });
        Running { shutdown, task }
    }

    /// Starts a controller.
    pub(crate) fn controller(&self) -> Running<ControllerError> {
        self.controller_with(|_| {})
    }

    /// Starts a controller whose settings were changed.
    pub(crate) fn controller_with(&self, change: impl FnOnce(&mut Settings)) -> Running<ControllerError> {
        let mut settings = self.settings();
        change(&mut settings);
        let controller = self.make(settings);
        let shutdown = Shutdown::new();
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { controller.run(|| Registered::new(rules()), stop).await });
        Running { shutdown, task }
    }

    /// What a controller would do.
    pub(crate) async fn plan(&self) -> Vec<Planned> {
        in_time(self.make(self.settings()).plan(Registered::new(rules()))).await.unwrap()
    }

    /// How often the API server was asked to change something.
    pub(crate) fn api_writes(&self) -> usize {
        let writes = |verb: &str| matches!(verb, "create" | "update" | "patch" | "delete");
        self.api.known(|known| known.objects.requests.iter().filter(|request| writes(request.verb)).count())
    }

    fn make(&self, settings: Settings) -> Controller {
        Controller::new(settings, self.api.api_server(), Clock::system(), Metrics::new("steeple_controller", vec![]))
    }

    fn settings(&self) -> Settings {
        Settings {
            server_socket: self.socket(),
            max_answer: 16 << 20,
            ownership: ownership(None),
            class: String::new(),
            kinds: BTreeSet::from(Kind::ALL),
            namespaces: BTreeMap::new(),
            gc_interval: Duration::from_millis(200),
            election: None,
            identity: "one".to_owned(),
            health: None,
            metrics: None,
            webhook: None,
            grace: Duration::from_secs(10),
        }
    }

    /// Puts a pod that wants this path as its ID.
    pub(crate) fn put_pod(&self, name: &str, path: &str) {
        let uid = format!("uid-of-{name}");
        let metadata = json!({"uid": uid, "labels": {"path": path.trim_start_matches('/')}});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": "node-1"}});
        self.api.known(|known| known.objects.put(&pod_path(name), pod));
    }

    pub(crate) fn delete_pod(&self, name: &str) {
        self.api.known(|known| known.objects.delete(&pod_path(name)));
    }

    pub(crate) fn entries_api(&self) -> EntryClient<Channel> {
        EntryClient::new(steeple_client::connect_unix(&self.socket())).max_decoding_message_size(64 << 20)
    }

    /// The server's entries: IDs by paths.
    pub(crate) async fn entries(&self) -> BTreeMap<String, String> {
        let listed = self.entries_api().list_entries(pb::ListEntriesRequest::default()).await.unwrap().into_inner();
        listed.entries.into_iter().map(|entry| (entry.spiffe_id.unwrap().path, entry.id)).collect()
    }

    /// Waits until the server has entries of exactly these paths.
    pub(crate) async fn has(&self, paths: &[&str]) {
        let wanted: BTreeSet<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let mut seen = self.counted.seen.subscribe();
        in_time(async {
            loop {
                seen.mark_unchanged();
                let entries = self.entries().await;
                if entries.keys().cloned().collect::<BTreeSet<_>>() == wanted {
                    return;
                }
                // The list itself was counted; the controller's calls follow.
                seen.changed().await.unwrap();
            }
        })
        .await;
    }

    /// Waits until a method was called so often.
    pub(crate) async fn called(&self, method: &str, times: usize) {
        let mut seen = self.counted.seen.subscribe();
        in_time(async {
            while self.counted.of(method) < times {
                seen.changed().await.unwrap();
            }
        })
        .await;
    }

    /// Waits until the comparison that is going on, if any, and a whole one after it have ended.
    pub(crate) async fn compared(&self) {
        let times = self.counted.of("ListEntries") + 3;
        self.called("ListEntries", times).await;
    }

    /// Makes an entry as an operator does.
    pub(crate) async fn create(&self, entry: types::Entry) -> types::Entry {
        let request = pb::BatchCreateEntryRequest { entries: vec![entry], output_mask: None };
        let result = self.entries_api().batch_create_entry(request).await.unwrap().into_inner().results.remove(0);
        assert_eq!(result.status.unwrap().code, 0);
        result.entry.unwrap()
    }

    /// Deletes an entry as an operator does.
    pub(crate) async fn delete(&self, id: String) {
        let request = pb::BatchDeleteEntryRequest { ids: vec![id] };
        let result = self.entries_api().batch_delete_entry(request).await.unwrap().into_inner().results.remove(0);
        assert_eq!(result.status.unwrap().code, 0);
    }

    /// Changes an entry as an operator does.
    pub(crate) async fn update(&self, entry: types::Entry) {
        let request = pb::BatchUpdateEntryRequest { entries: vec![entry], input_mask: None, output_mask: None };
        let result = self.entries_api().batch_update_entry(request).await.unwrap().into_inner().results.remove(0);
        assert_eq!(result.status.unwrap().code, 0);
    }

    /// The entry of this path.
    pub(crate) async fn entry(&self, path: &str) -> types::Entry {
        let listed = self.entries_api().list_entries(pb::ListEntriesRequest::default()).await.unwrap().into_inner();
        listed.entries.into_iter().find(|entry| entry.spiffe_id.as_ref().unwrap().path == path).unwrap()
    }

    /// Waits until the server has so many entries.
    pub(crate) async fn count_reaches(&self, count: i32) {
        let mut seen = self.counted.seen.subscribe();
        in_time(async {
            loop {
                seen.mark_unchanged();
                let counted = self.entries_api().count_entries(pb::CountEntriesRequest::default()).await.unwrap();
                if counted.into_inner().count == count {
                    return;
                }
                seen.changed().await.unwrap();
            }
        })
        .await;
    }

    /// Gives the server the bundle of a foreign trust domain.
    pub(crate) async fn federate(&self, trust_domain: &str) {
        let mut bundles = BundleClient::new(steeple_client::connect_unix(&self.socket()));
        let own = bundles.get_bundle(GetBundleRequest::default()).await.unwrap().into_inner();
        let bundle = vec![types::Bundle { trust_domain: trust_domain.to_owned(), ..own }];
        let request = BatchSetFederatedBundleRequest { bundle, output_mask: None };
        let result = bundles.batch_set_federated_bundle(request).await.unwrap().into_inner().results.remove(0);
        assert_eq!(result.status.unwrap().code, 0);
    }

    /// How often the API server was asked for a list.
    pub(crate) fn lists(&self, path: &str) -> usize {
        self.api.known(|known| known.objects.requests.iter().filter(|r| r.verb == "list" && r.path == path).count())
    }

    /// Who holds the Lease.
    pub(crate) fn holder(&self) -> String {
        let path = "/apis/coordination.k8s.io/v1/namespaces/steeple/leases/steeple-controller";
        let lease = self.api.known(|known| known.objects.at(path).cloned()).unwrap_or_default();
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }

    /// Events that the API server has: name of the object, reason and message.
    pub(crate) fn events(&self) -> Vec<(String, String, String)> {
        self.api.known(|known| known.objects.all_at("/api/v1/events").into_iter().map(event).collect())
    }
}

impl<E: std::fmt::Debug> Running<E> {
    pub(crate) async fn stop(self) {
        self.shutdown.trigger();
        in_time(self.task).await.unwrap().unwrap();
    }
}

/// The rules of the tests' cluster.
fn rules() -> steeple_registration::Settings {
    steeple_registration::Settings {
        cluster: Cluster::new("example.org".parse().unwrap(), "demo-cluster", "cluster.local", None),
        ignore_namespaces: vec![regex::Regex::new("^kube-system$").unwrap()],
        class: Class::default(),
    }
}

/// A template of the ID whose path is the pod's label `path` below `/x`.
pub(crate) fn by_label(before: &str) -> String {
    format!("spiffe://example.org{before}/{{{{ .PodMeta.Labels.path }}}}")
}

/// Whose entries are this controller's in tests; `cleanup` is `entryIDPrefixCleanup`.
pub(crate) fn ownership(cleanup: Option<&str>) -> Ownership {
    Ownership::new("", cleanup, "example.org", "demo-cluster", "")
}

pub(crate) fn election() -> ElectionSettings {
    ElectionSettings {
        namespace: "steeple".to_owned(),
        retry_period: Duration::from_millis(50),
        ..ElectionSettings::default()
    }
}

pub(crate) fn spiffe_id(path: &str) -> types::Spiffeid {
    types::Spiffeid { trust_domain: "example.org".to_owned(), path: path.to_owned() }
}

/// The entry that the rules of the tests want for a pod.
pub(crate) fn entry_of(pod: &str, path: &str) -> types::Entry {
    let selector = |value: String| types::Selector { r#type: "k8s".to_owned(), value };
    types::Entry {
        spiffe_id: Some(spiffe_id(path)),
        parent_id: Some(spiffe_id("/spire/agent/k8s_psat/demo-cluster/node-1")),
        selectors: vec![selector(format!("pod-uid:uid-of-{pod}"))],
        ..types::Entry::default()
    }
}

pub(crate) async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LONG, future).await.expect("it should have come by now")
}

pub(crate) fn identity_path(name: &str) -> String {
    format!("/apis/spire.spiffe.io/v1alpha1/clusterspiffeids/{name}")
}

fn pod_path(name: &str) -> String {
    format!("/api/v1/namespaces/default/pods/{name}")
}

fn event(event: &Value) -> (String, String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&event["involvedObject"]["name"]), text(&event["reason"]), text(&event["message"]))
}

struct NoAudit;

#[async_trait::async_trait]
impl Recorder for NoAudit {
    async fn record(&self, _event: &Event) -> Result<(), AuditError> {
        Ok(())
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

fn server_settings(socket_path: PathBuf) -> ServerSettings {
    ServerSettings {
        trust_domain: "example.org".parse().unwrap(),
        bind_address: "127.0.0.1:0".parse().unwrap(),
        socket_path,
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
