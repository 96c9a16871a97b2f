//! The CSI driver with its agent, as programs, and with real mounts.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::json;
use steeple_client::connect_unix;
use steeple_k8s::fake::FakeKubelet;
use steeple_proto::csi::v1 as pb;
use steeple_proto::csi::v1::node_client::NodeClient;
use steeple_proto::csi::v1::volume_capability::{AccessMode, AccessType, MountVolume, access_mode::Mode};
use steeple_tests_system::mounts::with_own_mounts;
use steeple_tests_system::pair::{Pair, Program};
use steeple_tests_system::rig::TRUST_DOMAIN;
use tokio::runtime::Runtime;

const AGENT: &str = "agent";
const UID: &str = "72f7f152-440c-66ac-9084-e0fc1d8a910c";

#[test]
fn pod_fetches_its_identity_through_its_volume_over_restarts() {
    with_own_mounts("pod_fetches_its_identity_through_its_volume_over_restarts", || {
        let node = Node::start()?;
        let mut agent = node.pair.start_agent(AGENT, None)?;
        let mut driver = node.start_driver(&mut agent)?;
        node.publish("pod", "csi-1")?;
        node.publish("pod", "csi-1")?;
        ensure!(node.mounts()? == 1, "a volume is mounted once");
        node.fetch()?;
        agent.kill()?;
        let mut agent = node.pair.start_agent(AGENT, None)?;
        agent.wait_for(|| Ok(node.fetch().is_ok()))?;
        driver.signal(Signal::KILL)?;
        driver.end()?;
        ensure!(node.mounts()? == 1, "a volume outlives its driver");
        let _driver = node.start_driver(&mut agent)?;
        node.unpublish("csi-1")?;
        node.unpublish("csi-1")?;
        ensure!(node.mounts()? == 0 && !node.target().exists());
        ensure!(!node.pods().join(UID).exists(), "the socket goes with the volume");
        Ok(())
    })
    .unwrap();
}

#[test]
fn volume_of_the_node_shows_the_agents_socket_and_a_foreign_mount_is_left() {
    with_own_mounts("volume_of_the_node_shows_the_agents_socket_and_a_foreign_mount_is_left", || {
        let node = Node::start()?;
        let mut agent = node.pair.start_agent(AGENT, None)?;
        let _driver = node.start_driver(&mut agent)?;
        node.publish("node", "csi-1")?;
        ensure!(node.target().join("api.sock").exists());
        node.unpublish("csi-1")?;
        fs::create_dir(node.target())?;
        let status = std::process::Command::new("mount").args(["-t", "tmpfs", "none"]).arg(node.target()).status()?;
        ensure!(status.success());
        let refused = node.unpublish("csi-1").unwrap_err().to_string();
        ensure!(refused.contains("not this driver's"), "{refused}");
        ensure!(node.mounts()? == 1);
        Ok(())
    })
    .unwrap();
}

/// A node: a kubelet that lists one pod, a server with an entry for it, and an agent that has joined.
struct Node {
    pair: Pair,
    runtime: Runtime,
    _kubelet: FakeKubelet,
    _server: Program,
}

impl Node {
    fn start() -> Result<Self> {
        let runtime = Runtime::new()?;
        let pod = json!({
            "metadata": {"name": "web-1", "namespace": "shop", "uid": UID},
            "spec": {"serviceAccountName": "web", "nodeName": "node1"},
            "status": {},
        });
        let kubelet = runtime.block_on(FakeKubelet::start(vec![pod]))?;
        let mut pair = Pair::new()?;
        pair.agent_blocks = format!(
            "plugins {{ WorkloadAttestor \"k8s\" {{ plugin_data {{ kubelet_read_only_port = {} }} }} }}\n\
             pod_sockets {{ directory = \"{}\" }}",
            kubelet.port(),
            pair.path("pods").display()
        );
        let server = pair.start_server()?;
        let token = pair.admit(AGENT)?;
        let mut agent = pair.start_agent(AGENT, Some(&token))?;
        agent.terminate()?;
        agent.end()?;
        let node = format!("spiffe://{TRUST_DOMAIN}/node/{AGENT}");
        let id = format!("spiffe://{TRUST_DOMAIN}/shop/web");
        let entry =
            ["-parentID", &node, "-spiffeID", &id, "-selector", "k8s:pod-uid:72f7f152-440c-66ac-9084-e0fc1d8a910c"];
        let created = pair.server("entry create", &entry)?;
        ensure!(created.exit == 0, "{created:?}");
        fs::create_dir_all(Self::target_in(&pair).parent().context("a target has a parent")?)?;
        Ok(Self { pair, runtime, _kubelet: kubelet, _server: server })
    }

    fn start_driver(&self, agent: &mut Program) -> Result<Program> {
        let sockets = self.pair.path("agent-api");
        let pods = self.pods();
        agent.wait_for(|| Ok(pods.join("driver.sock").exists()))?;
        let socket = self.csi_socket();
        let flag = |name: &str, path: &Path| format!("{name}={}", path.display());
        let arguments = [
            "-node-id=node1".to_owned(),
            flag("-csi-socket-path", &socket),
            flag("-workload-api-socket-dir", &sockets),
            flag("-pod-socket-dir", &pods),
        ];
        let mut driver = self.pair.start_other("csi", &arguments)?;
        driver.wait_for(|| Ok(std::os::unix::net::UnixStream::connect(&socket).is_ok()))?;
        Ok(driver)
    }

    fn publish(&self, socket: &str, volume: &str) -> Result<()> {
        let context = [
            ("csi.storage.k8s.io/ephemeral", "true"),
            ("csi.storage.k8s.io/pod.name", "web-1"),
            ("csi.storage.k8s.io/pod.namespace", "shop"),
            ("csi.storage.k8s.io/pod.uid", UID),
            ("csi.storage.k8s.io/serviceAccount.name", "web"),
            ("steeple.dev/socket", socket),
        ];
        let request = pb::NodePublishVolumeRequest {
            volume_id: volume.to_owned(),
            target_path: self.target().display().to_string(),
            volume_capability: Some(pb::VolumeCapability {
                access_type: Some(AccessType::Mount(MountVolume::default())),
                access_mode: Some(AccessMode { mode: Mode::SingleNodeWriter.into() }),
            }),
            readonly: true,
            volume_context: context.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..pb::NodePublishVolumeRequest::default()
        };
        let call = async { NodeClient::new(connect_unix(&self.csi_socket())).node_publish_volume(request).await };
        Ok(self.runtime.block_on(call).map(drop)?)
    }

    fn unpublish(&self, volume: &str) -> Result<()> {
        let request = pb::NodeUnpublishVolumeRequest {
            volume_id: volume.to_owned(),
            target_path: self.target().display().to_string(),
        };
        let call = async { NodeClient::new(connect_unix(&self.csi_socket())).node_unpublish_volume(request).await };
        Ok(self.runtime.block_on(call).map(drop)?)
    }

    /// Fetches as a workload in the pod does, through the volume.
    fn fetch(&self) -> Result<()> {
        // A socket's path has at most 107 bytes, which a pod's own view of its volume keeps to.
        let view = self.pair.path("view");
        if !view.is_symlink() {
            std::os::unix::fs::symlink(self.target(), &view)?;
        }
        let fetched = self.pair.fetch_at(&view.join("spire-agent.sock"))?;
        let id = format!("spiffe://{TRUST_DOMAIN}/shop/web");
        ensure!(fetched.exit == 0 && fetched.stdout.contains(&id), "{fetched:?}");
        Ok(())
    }

    /// How many things are mounted at the target.
    fn mounts(&self) -> Result<usize> {
        let target = self.target().display().to_string();
        let table = fs::read_to_string("/proc/self/mountinfo")?;
        Ok(table.lines().filter(|line| line.split(' ').nth(4) == Some(&target)).count())
    }

    fn csi_socket(&self) -> PathBuf {
        self.pair.path("csi.sock")
    }

    fn pods(&self) -> PathBuf {
        self.pair.path("pods")
    }

    fn target(&self) -> PathBuf {
        Self::target_in(&self.pair)
    }

    fn target_in(pair: &Pair) -> PathBuf {
        pair.path(&format!("kubelet/pods/{UID}/volumes/kubernetes.io~csi/api/mount"))
    }
}
