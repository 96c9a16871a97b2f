//! What the tests share: a driver behind its socket, with an agent and mounts that are fakes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use steeple_client::connect_unix;
use steeple_clock::Clock;
use steeple_net::{Callers, Limits, serve_uds, uds};
use steeple_proto::csi::v1 as pb;
use steeple_proto::csi::v1::identity_client::IdentityClient;
use steeple_proto::csi::v1::node_client::NodeClient;
use steeple_proto::csi::v1::node_service_capability::Type;
use steeple_proto::csi::v1::volume_capability::{AccessMode, AccessType, MountVolume, access_mode::Mode};
use steeple_proto::steeple::agent::podsockets::v1 as agent;
use steeple_proto::steeple::agent::podsockets::v1::pod_sockets_server::{PodSockets, PodSocketsServer};
use steeple_runtime::Shutdown;
use tempfile::TempDir;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::{Driver, DriverConfig, Mounts, PodSocketsConfig, SOCKET_ATTRIBUTE};

/// UID of the pod in the tests.
pub(crate) const UID: &str = "72f7f152-440c-66ac-9084-e0fc1d8a910c";
/// Longer than anything here takes on any machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Fails a test rather than to wait for ever.
pub(crate) async fn in_time<F: Future>(future: F) -> F::Output {
    Clock::system().timeout(PATIENCE, future).await.expect("it takes too long")
}

/// The target path of a pod's volume below a kubelet's folder.
pub(crate) fn target(uid: &str) -> String {
    format!("/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~csi/api/mount")
}

/// A request as a kubelet makes it for a volume without attributes.
pub(crate) fn request() -> pb::NodePublishVolumeRequest {
    let context = [
        ("csi.storage.k8s.io/ephemeral", "true"),
        ("csi.storage.k8s.io/pod.name", "web-1"),
        ("csi.storage.k8s.io/pod.namespace", "shop"),
        ("csi.storage.k8s.io/pod.uid", UID),
        ("csi.storage.k8s.io/serviceAccount.name", "web"),
    ];
    pb::NodePublishVolumeRequest {
        volume_id: "csi-1".to_owned(),
        target_path: target(UID),
        volume_capability: Some(pb::VolumeCapability {
            access_type: Some(AccessType::Mount(MountVolume::default())),
            access_mode: Some(AccessMode { mode: Mode::SingleNodeWriter.into() }),
        }),
        readonly: true,
        volume_context: context.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ..pb::NodePublishVolumeRequest::default()
    }
}

/// The same for a volume that asks for the socket of its pod.
pub(crate) fn pod_request(uid: &str) -> pb::NodePublishVolumeRequest {
    let mut request = request();
    request.volume_context.insert(SOCKET_ATTRIBUTE.to_owned(), "pod".to_owned());
    request.volume_context.insert("csi.storage.k8s.io/pod.uid".to_owned(), uid.to_owned());
    request
}

/// A table of mounts: what is shown where, the latest last.
#[derive(Default)]
pub(crate) struct FakeMounts {
    table: Mutex<Vec<(PathBuf, PathBuf)>>,
    refuses: Mutex<bool>,
}

impl FakeMounts {
    /// What is shown at `target`, the latest last.
    pub(crate) fn at(&self, target: &Path) -> Vec<PathBuf> {
        let table = self.table.lock();
        table.iter().filter(|(at, _)| at == target).map(|(_, source)| source.clone()).collect()
    }

    pub(crate) fn all(&self) -> Vec<(PathBuf, PathBuf)> {
        self.table.lock().clone()
    }

    /// Somebody mounts on top.
    pub(crate) fn push(&self, target: &Path, source: &Path) {
        self.table.lock().push((target.to_owned(), source.to_owned()));
    }

    /// Something else is shown at `target`.
    pub(crate) fn replace(&self, target: &Path, source: &str) {
        self.table.lock().retain(|(at, _)| at != target);
        self.push(target, Path::new(source));
    }

    pub(crate) fn refuse(&self) {
        *self.refuses.lock() = true;
    }
}

impl Mounts for FakeMounts {
    fn points(&self) -> io::Result<Vec<PathBuf>> {
        Ok(self.table.lock().iter().map(|(at, _)| at.clone()).collect())
    }

    fn same(&self, one: &Path, other: &Path) -> bool {
        let seen = |path: &Path| self.at(path).pop().unwrap_or_else(|| path.to_owned());
        seen(one) == seen(other)
    }

    fn bind(&self, source: &Path, target: &Path) -> io::Result<()> {
        if *self.refuses.lock() {
            return Err(io::Error::from_raw_os_error(1));
        }
        self.push(target, source);
        Ok(())
    }

    fn unmount(&self, target: &Path) -> io::Result<()> {
        let mut table = self.table.lock();
        let last = table.iter().rposition(|(at, _)| at == target);
        table.remove(last.ok_or_else(|| io::Error::from_raw_os_error(22))?);
        Ok(())
    }
}

/// An agent that opens any socket, unless it was told to refuse.
#[derive(Clone, Default)]
pub(crate) struct FakeAgent(Arc<Asked>);

#[derive(Default)]
struct Asked {
    opened: Mutex<Vec<agent::OpenPodSocketRequest>>,
    closed: Mutex<Vec<String>>,
    retained: watch::Sender<Option<Vec<String>>>,
    refusal: Mutex<Option<String>>,
    shutdown: Mutex<Shutdown>,
}

impl FakeAgent {
    pub(crate) fn opened(&self) -> Vec<agent::OpenPodSocketRequest> {
        self.0.opened.lock().clone()
    }

    pub(crate) fn closed(&self) -> Vec<String> {
        self.0.closed.lock().clone()
    }

    pub(crate) fn refuse(&self, text: &str) {
        *self.0.refusal.lock() = Some(text.to_owned());
    }

    /// The pods whose sockets are in use, once the driver has told.
    pub(crate) async fn retained(&self) -> Vec<String> {
        let mut retained = self.0.retained.subscribe();
        let told = in_time(retained.wait_for(Option::is_some)).await.unwrap();
        told.clone().unwrap()
    }

    pub(crate) fn serve(&self, folder: &Path) {
        let path = folder.join("driver.sock");
        let _dead = std::fs::remove_file(&path);
        let listener = uds::bind(&path, 0o700, 0o600).unwrap();
        let routes = Routes::new(PodSocketsServer::new(self.clone()));
        let shutdown = self.0.shutdown.lock().clone();
        tokio::spawn(serve_uds(listener, routes, Callers::Root, Limits::LOCAL, Clock::system(), shutdown));
    }
}

#[tonic::async_trait]
impl PodSockets for FakeAgent {
    async fn open_pod_socket(
        &self,
        request: Request<agent::OpenPodSocketRequest>,
    ) -> Result<Response<agent::OpenPodSocketResponse>, Status> {
        if let Some(text) = self.0.refusal.lock().clone() {
            return Err(Status::failed_precondition(text));
        }
        self.0.opened.lock().push(request.into_inner());
        Ok(Response::new(agent::OpenPodSocketResponse {}))
    }

    async fn close_pod_socket(
        &self,
        request: Request<agent::ClosePodSocketRequest>,
    ) -> Result<Response<agent::ClosePodSocketResponse>, Status> {
        self.0.closed.lock().push(request.into_inner().volume_id);
        Ok(Response::new(agent::ClosePodSocketResponse {}))
    }

    async fn retain_pod_sockets(
        &self,
        request: Request<agent::RetainPodSocketsRequest>,
    ) -> Result<Response<agent::RetainPodSocketsResponse>, Status> {
        self.0.retained.send_replace(Some(request.into_inner().pod_uids));
        Ok(Response::new(agent::RetainPodSocketsResponse::default()))
    }
}

/// A driver that runs.
pub(crate) struct Bench {
    pub(crate) mounts: Arc<FakeMounts>,
    pub(crate) agent: FakeAgent,
    folder: TempDir,
    attempts: Option<watch::Receiver<u32>>,
    shutdown: Shutdown,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.shutdown.trigger();
        self.stop_agent();
    }
}

impl Bench {
    /// A driver whose agent is there.
    pub(crate) async fn new() -> Self {
        let bench = Self::place();
        bench.agent.serve(&bench.pod_sockets());
        bench.start(Some(Duration::from_secs(20)), false).await;
        bench
    }

    /// A driver whose agent lets no call through.
    pub(crate) async fn without_agent(identity_timeout: Duration) -> Self {
        let mut bench = Self::place();
        let listener = uds::bind(&bench.pod_sockets().join("driver.sock"), 0o700, 0o600).unwrap();
        let (count, attempts) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                drop(listener.accept().await);
                count.send_modify(|count| *count += 1);
            }
        });
        bench.attempts = Some(attempts);
        bench.start(Some(identity_timeout), false).await;
        bench
    }

    /// A driver that was told of no sockets of pods.
    pub(crate) async fn of_node_sockets_only() -> Self {
        let bench = Self::place();
        bench.start(None, false).await;
        bench
    }

    /// A driver that tells the kubelet of itself.
    pub(crate) async fn registering() -> Self {
        let bench = Self::place();
        bench.start(None, true).await;
        bench
    }

    /// Folders and fakes without a driver.
    pub(crate) fn place() -> Self {
        let folder = tempfile::Builder::new().prefix("csi-").tempdir().unwrap();
        let bench = Self {
            mounts: Arc::default(),
            agent: FakeAgent::default(),
            folder,
            attempts: None,
            shutdown: Shutdown::new(),
        };
        std::fs::create_dir_all(bench.target(UID).parent().unwrap()).unwrap();
        std::fs::create_dir_all(bench.node_sockets()).unwrap();
        bench
    }

    pub(crate) async fn start(&self, identity_timeout: Option<Duration>, registers: bool) {
        let registration = crate::KubeletRegistration {
            folder: self.folder.path().join("plugins_registry"),
            endpoint: "/var/lib/kubelet/plugins/csi.spiffe.io/csi.sock".to_owned(),
        };
        let pod_sockets = |identity_timeout| PodSocketsConfig { folder: self.pod_sockets(), identity_timeout };
        let config = DriverConfig {
            node_id: "node-1".to_owned(),
            plugin_name: "csi.spiffe.io".to_owned(),
            version: "1.16.0-test".to_owned(),
            csi_socket_path: self.csi_socket(),
            workload_api_socket_dir: self.node_sockets(),
            registration: registers.then_some(registration),
            pod_sockets: identity_timeout.map(pod_sockets),
        };
        let driver = Driver::new(config, self.mounts.clone(), Clock::system()).unwrap();
        tokio::spawn(driver.run(self.shutdown.clone()));
        in_time(async {
            while !self.csi_socket().exists() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Waits until the driver has tried so often to reach an agent that lets no call through.
    pub(crate) async fn attempts(&self, count: u32) {
        let mut attempts = self.attempts.clone().unwrap();
        in_time(attempts.wait_for(|seen| *seen >= count)).await.unwrap();
    }

    pub(crate) fn stop_agent(&mut self) {
        self.agent.0.shutdown.lock().trigger();
        let _gone = std::fs::remove_file(self.pod_sockets().join("driver.sock"));
    }

    pub(crate) fn stop(&self) {
        self.shutdown.trigger();
    }

    pub(crate) fn csi_socket(&self) -> PathBuf {
        self.folder.path().join("csi.sock")
    }

    pub(crate) fn registration_socket(&self) -> PathBuf {
        self.folder.path().join("plugins_registry/csi.spiffe.io-reg.sock")
    }

    pub(crate) fn node_sockets(&self) -> PathBuf {
        self.folder.path().join("agent-sockets")
    }

    pub(crate) fn pod_sockets(&self) -> PathBuf {
        self.folder.path().join("pod-sockets")
    }

    /// The target path of the pod's volume in the folder of the test.
    pub(crate) fn target(&self, uid: &str) -> PathBuf {
        PathBuf::from(format!("{}{}", self.folder.path().display(), target(uid)))
    }

    /// Notes beside a target path, as a kubelet does, that the driver is to mount there.
    pub(crate) fn note(target: &Path) {
        let note = target.parent().unwrap().join("vol_data.json");
        std::fs::write(note, "{\"driverName\":\"csi.spiffe.io\",\"volumeHandle\":\"csi-1\"}").unwrap();
    }

    /// Has a volume published in the folder of the test; yields its target path.
    pub(crate) async fn publish(&self, mut request: pb::NodePublishVolumeRequest) -> Result<PathBuf, Status> {
        request.target_path = format!("{}{}", self.folder.path().display(), request.target_path);
        let target = PathBuf::from(&request.target_path);
        let published = self.node().node_publish_volume(request).await;
        published.map(|_| target)
    }

    pub(crate) async fn unpublish(&self, target: &Path) -> Result<(), Status> {
        self.unpublish_of("csi-1", target.to_str().unwrap()).await
    }

    pub(crate) async fn unpublish_of(&self, volume_id: &str, target: &str) -> Result<(), Status> {
        let request =
            pb::NodeUnpublishVolumeRequest { volume_id: volume_id.to_owned(), target_path: target.to_owned() };
        in_time(self.node().node_unpublish_volume(request)).await.map(drop)
    }

    /// What the driver says of the health of a volume.
    pub(crate) async fn condition(&self, target: &Path) -> pb::VolumeCondition {
        let request = pb::NodeGetVolumeStatsRequest {
            volume_id: "csi-1".to_owned(),
            volume_path: target.display().to_string(),
            ..pb::NodeGetVolumeStatsRequest::default()
        };
        in_time(self.node().node_get_volume_stats(request)).await.unwrap().into_inner().volume_condition.unwrap()
    }

    pub(crate) async fn introduction(&self) -> Introduction {
        let mut identity = IdentityClient::new(connect_unix(&self.csi_socket()));
        let mut node = self.node();
        let plugin = in_time(identity.get_plugin_info(pb::GetPluginInfoRequest {})).await.unwrap().into_inner();
        in_time(identity.probe(pb::ProbeRequest {})).await.unwrap();
        in_time(identity.get_plugin_capabilities(pb::GetPluginCapabilitiesRequest {})).await.unwrap();
        let info = in_time(node.node_get_info(pb::NodeGetInfoRequest {})).await.unwrap().into_inner();
        let can = in_time(node.node_get_capabilities(pb::NodeGetCapabilitiesRequest {})).await.unwrap().into_inner();
        let name = |capability: pb::NodeServiceCapability| match capability.r#type.unwrap() {
            Type::Rpc(rpc) => rpc.r#type().as_str_name(),
        };
        Introduction {
            name: plugin.name,
            version: plugin.vendor_version,
            node_id: info.node_id,
            max_volumes: info.max_volumes_per_node,
            capabilities: can.capabilities.into_iter().map(name).collect(),
        }
    }

    fn node(&self) -> NodeClient<tonic::transport::Channel> {
        NodeClient::new(connect_unix(&self.csi_socket()))
    }
}

/// What a driver tells of itself.
pub(crate) struct Introduction {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) node_id: String,
    pub(crate) max_volumes: i64,
    pub(crate) capabilities: Vec<&'static str>,
}
