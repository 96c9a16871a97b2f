//! What rows are played in: processes in files, a container daemon and a kubelet that are fakes, and the real rest.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use steeple_clock::Clock;
use steeple_k8s::fake::FakeKubelet;
use steeple_k8s::kubelet::{Kubelet, Port};
use steeple_plugin::WorkloadAttestor;
use steeple_workload_attest::docker::{Docker, DockerConfig};
use steeple_workload_attest::k8s::{K8s, K8sConfig, Locator};
use steeple_workload_attest::unix::{Unix, UnixConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

pub(super) const POD_UID: &str = "72f7f152-440c-66ac-9084-e0fc1d8a910c";

/// The container's ID.
pub(super) fn container() -> String {
    format!("{:0<64}", "c0ffee")
}

/// The node on which the workload runs; the workload is this process.
pub(super) struct Node {
    root: TempDir,
    kubelet: Option<FakeKubelet>,
    daemon: Option<JoinHandle<()>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(daemon) = &self.daemon {
            daemon.abort();
        }
    }
}

impl Node {
    /// A node on which these attestors look at this process, which is in the control group `group`.
    pub(super) fn new(group: &str, names: bool) -> Self {
        let root = tempfile::tempdir().unwrap();
        let process = root.path().join(format!("proc/{}", std::process::id()));
        fs::create_dir_all(&process).unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        let status = "Name:\tweb\nUid:\t1000\t1000\t1000\t1000\nGid:\t50\t50\t50\t50\nGroups:\t7 \n";
        fs::write(process.join("status"), status).unwrap();
        fs::write(process.join("cgroup"), format!("0::{group}\n")).unwrap();
        fs::write(process.join("mountinfo"), "").unwrap();
        fs::write(root.path().join("program"), "abc").unwrap();
        std::os::unix::fs::symlink("/bin/web", process.join("link")).unwrap();
        std::os::unix::fs::symlink(root.path().join("program"), process.join("exe")).unwrap();
        if names {
            fs::write(root.path().join("etc/passwd"), "web:x:1000:50::/:\n").unwrap();
            fs::write(root.path().join("etc/group"), "staff:x:50:\nops:x:7:\n").unwrap();
        }
        Self { root, kubelet: None, daemon: None }
    }

    pub(super) fn path(&self) -> &Path {
        self.root.path()
    }

    /// The attestor of this name, which may be broken.
    pub(super) async fn attestor(&mut self, name: &str) -> Arc<dyn WorkloadAttestor> {
        let root = self.root.path().to_owned();
        match name {
            "unix" | "unix with path" => Arc::new(Unix::new(UnixConfig {
                proc_root: root.join("proc"),
                etc_root: root.join("etc"),
                discover_workload_path: name == "unix with path",
                ..UnixConfig::default()
            })),
            "docker" | "docker that is down" => {
                let socket = root.join("docker.sock");
                if name == "docker" {
                    let listener = UnixListener::bind(&socket).unwrap();
                    self.daemon = Some(tokio::spawn(serve(listener)));
                }
                let docker_socket_path = format!("unix://{}", socket.display());
                let config = DockerConfig { root, docker_socket_path, ..DockerConfig::default() };
                Arc::new(Docker::new(config, Clock::system()).unwrap())
            }
            _ => {
                let kubelet = FakeKubelet::start(vec![pod()]).await.unwrap();
                if name == "k8s whose kubelet refuses" {
                    kubelet.refuse();
                }
                let config = K8sConfig {
                    root,
                    locator: Locator { legacy: false, verbose: false },
                    kubelet: Some(Kubelet { node_name: None, port: Port::ReadOnly(kubelet.port()) }),
                    watch: None,
                    namespace_labels: None,
                    max_poll_attempts: 2,
                    poll_retry_interval: Duration::from_millis(20),
                    disable_container_selectors: name == "k8s of pods alone",
                };
                self.kubelet = Some(kubelet);
                Arc::new(K8s::new(config, Clock::system()))
            }
        }
    }
}

fn pod() -> serde_json::Value {
    let id = format!("containerd://{}", container());
    json!({
        "metadata": {
            "name": "web-1", "namespace": "shop", "uid": POD_UID, "labels": {"app": "web", "tier": "front"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "uid": "owner-1", "apiVersion": "apps/v1"}],
        },
        "spec": {"serviceAccountName": "web", "nodeName": "node1", "containers": []},
        "status": {"containerStatuses": [{"name": "main", "containerID": id, "image": "web:1", "imageID": "web@sha256:0"}]},
    })
}

/// A container daemon: one container, one image, one answer a connection.
async fn serve(listener: UnixListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).await.unwrap_or_default();
        let asked = String::from_utf8_lossy(request.get(..length).unwrap_or_default()).into_owned();
        let body = if asked.contains("/images/") {
            json!({"Id": "sha256:d1"})
        } else {
            let labels = json!({"app": "web", "tier": "front"});
            json!({"Id": container(), "Config": {"Labels": labels, "Env": ["STAGE=prod", "PASSWORD=hunter2"], "Image": "web:1"}})
        };
        let body = body.to_string();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let _gone = stream.write_all(answer.as_bytes()).await;
    }
}
