//! The attestor over processes in files and a kubelet that is a fake.

mod forged;
mod index;

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use steeple_clock::Clock;
use steeple_k8s::fake::FakeKubelet;
use steeple_k8s::kubelet::{Kubelet, Port};
use steeple_plugin::{PluginError, WorkloadAttestor};
use tempfile::TempDir;

use super::{K8s, K8sConfig, Locator};

const UID: &str = "72f7f152-440c-66ac-9084-e0fc1d8a910c";
const MAIN: &str = "a1";
const INIT: &str = "b2";
const DEBUG: &str = "c3";

/// A container ID that begins with `short`.
fn id(short: &str) -> String {
    format!("{short:0<64}")
}

fn status(name: &str, short: &str) -> Value {
    json!({"name": name, "containerID": format!("containerd://{}", id(short)), "image": format!("{name}:1"), "imageID": format!("{name}@sha256:0")})
}

fn pod() -> Value {
    json!({
        "metadata": {
            "name": "web-1", "namespace": "shop", "uid": UID, "labels": {"app": "web"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "uid": "owner-1", "apiVersion": "apps/v1"}],
        },
        "spec": {"serviceAccountName": "web", "nodeName": "node1", "containers": []},
        "status": {
            "containerStatuses": [status("main", MAIN)],
            "initContainerStatuses": [status("init", INIT)],
            "ephemeralContainerStatuses": [status("debug", DEBUG)],
        },
    })
}

struct Bench {
    kubelet: FakeKubelet,
    root: TempDir,
    attestor: K8s,
}

impl Bench {
    async fn new(pods: Vec<Value>, change: impl FnOnce(&mut K8sConfig)) -> Self {
        let kubelet = FakeKubelet::start(pods).await.unwrap();
        let root = tempfile::tempdir().unwrap();
        let mut config = K8sConfig {
            root: root.path().to_path_buf(),
            locator: Locator { legacy: false, verbose: true },
            kubelet: Some(Kubelet { node_name: None, port: Port::ReadOnly(kubelet.port()) }),
            watch: None,
            namespace_labels: None,
            max_poll_attempts: 3,
            poll_retry_interval: Duration::from_millis(20),
            disable_container_selectors: false,
        };
        change(&mut config);
        Self { kubelet, root, attestor: K8s::new(config, Clock::system()) }
    }

    /// What is told of a process whose cgroup has this path.
    async fn attest(&self, path: &str) -> Result<Vec<String>, PluginError> {
        let process = self.root.path().join("proc/7");
        fs::create_dir_all(&process).unwrap();
        fs::write(process.join("cgroup"), format!("0::{path}\n")).unwrap();
        fs::write(process.join("mountinfo"), "").unwrap();
        let selectors = self.attestor.attest(7).await?;
        Ok(selectors.iter().map(|selector| selector.value().to_owned()).collect())
    }
}

fn path(short: &str) -> String {
    format!("/kubepods/besteffort/pod{UID}/{}", id(short))
}

const OF_POD: [&str; 14] = [
    "sa:web",
    "ns:shop",
    "node-name:node1",
    "pod-uid:72f7f152-440c-66ac-9084-e0fc1d8a910c",
    "pod-name:web-1",
    "pod-image-count:1",
    "pod-init-image-count:1",
    "pod-image:main:1",
    "pod-image:main@sha256:0",
    "pod-init-image:init:1",
    "pod-init-image:init@sha256:0",
    "pod-label:app:web",
    "pod-owner:ReplicaSet:web",
    "pod-owner-uid:ReplicaSet:owner-1",
];

#[tokio::test]
async fn pod_and_container_are_told() {
    let bench = Bench::new(vec![pod()], |_| {}).await;
    for (short, name) in [(MAIN, "main"), (INIT, "init"), (DEBUG, "debug")] {
        let mut expected: Vec<String> = OF_POD.map(str::to_owned).to_vec();
        expected.push(format!("container-name:{name}"));
        expected.push(format!("container-image:{name}:1"));
        expected.push(format!("container-image:{name}@sha256:0"));
        assert_eq!(bench.attest(&path(short)).await.unwrap(), expected);
    }
    let by_container = bench.attest(&format!("/../{}", id(MAIN))).await.unwrap();
    assert!(by_container.contains(&"pod-name:web-1".to_owned()), "a container whose path tells no pod");
    assert_eq!(bench.attest("/user.slice").await.unwrap(), Vec::<String>::new(), "no container");
}

#[tokio::test]
async fn forged_pod_of_another_container_gets_nothing() {
    let mut other = pod();
    other["metadata"]["uid"] = json!(UID.replace('7', "8"));
    other["status"] = json!({"containerStatuses": [status("other", "d4")]});
    let bench = Bench::new(vec![pod(), other], |_| {}).await;
    let error = bench.attest(&path("d4")).await.unwrap_err();
    assert_eq!(error.message, "no selectors found after max poll attempts");
}

#[tokio::test]
async fn container_that_is_not_known_yet_is_waited_for() {
    let bench = Bench::new(Vec::new(), |config| config.max_poll_attempts = 1000).await;
    let kubelet = &bench.kubelet;
    let path = path(MAIN);
    let attest = bench.attest(&path);
    tokio::pin!(attest);
    tokio::select! {
        ended = &mut attest => panic!("it did not wait: {ended:?}"),
        () = kubelet.asked(2) => {}
    }
    kubelet.set(vec![pod()]);
    let found = attest.await;
    assert!(found.unwrap().contains(&"container-name:main".to_owned()));
}

#[tokio::test]
async fn pod_alone_counts_without_container_selectors() {
    let mut starting = pod();
    starting["status"] = Value::Null;
    starting["status"] = json!({"containerStatuses": null});
    let bench = Bench::new(vec![starting], |config| config.disable_container_selectors = true).await;
    let values = bench.attest(&path(MAIN)).await.unwrap();
    assert!(values.contains(&"ns:shop".to_owned()));
    assert!(!values.iter().any(|value| value.starts_with("container-")), "{values:?}");
    let error = bench.attest(&format!("/../{}", id(MAIN))).await.unwrap_err();
    assert_eq!(error.message, "no selectors found after max poll attempts", "whose pod is not known");
}

#[tokio::test]
async fn two_pods_with_one_container_are_refused() {
    let mut twin = pod();
    twin["metadata"]["uid"] = json!("other");
    let bench = Bench::new(vec![pod(), twin], |_| {}).await;
    let error = bench.attest(&format!("/../{}", id(MAIN))).await.unwrap_err();
    assert_eq!(error.message, "two pods found with same container Id");
}

#[tokio::test]
async fn who_asks_at_the_same_time_shares_a_list() {
    let bench = Bench::new(vec![pod()], |config| config.poll_retry_interval = Duration::from_hours(1)).await;
    let path = path(MAIN);
    let (one, two, three) = tokio::join!(bench.attest(&path), bench.attest(&path), bench.attest(&path));
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(bench.kubelet.count(), 1);
}

#[tokio::test]
async fn kubelet_that_says_no_is_told() {
    let bench = Bench::new(vec![pod()], |_| {}).await;
    bench.kubelet.refuse();
    let error = bench.attest(&path(MAIN)).await.unwrap_err();
    assert_eq!(error.message, "unexpected status code on pods response: 403 Forbidden");
}
