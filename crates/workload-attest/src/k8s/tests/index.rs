//! Pods that are watched.

use std::sync::Arc;

use steeple_k8s::fake::{FakeApiServer, FakeCollection, Known};
use steeple_plugin::{ErrorClass, MountedPod};
use steeple_runtime::Shutdown;

use super::*;
use crate::k8s::PodWatch;

const PODS: &str = "/api/v1/pods";
const NAMESPACES: &str = "/api/v1/namespaces";

/// An attestor that follows an API server.
struct Watching {
    api: FakeApiServer,
    bench: Arc<Bench>,
    shutdown: Shutdown,
    following: tokio::task::JoinHandle<()>,
}

impl Watching {
    /// Of an API server with these pods, beside a kubelet with those.
    #[expect(clippy::disallowed_methods, reason = "the follower of a test, which ends with the test")]
    async fn new(pods: Vec<Value>, at_kubelet: Vec<Value>, change: impl FnOnce(&mut K8sConfig)) -> Self {
        let api = FakeApiServer::start(Known::default()).await.unwrap();
        let collection = api.collection(PODS);
        for pod in pods {
            collection.put(pod);
        }
        api.collection(NAMESPACES).put(namespace("gold"));
        let server = api.api_server();
        let bench = Bench::new(at_kubelet, |config| {
            config.watch = Some(PodWatch { api_server: server, node_name: Some("node1".to_owned()) });
            change(config);
        });
        let (bench, shutdown) = (Arc::new(bench.await), Shutdown::new());
        let following = tokio::spawn({
            let (bench, shutdown) = (Arc::clone(&bench), shutdown.clone());
            async move { bench.attestor.follow(&shutdown).await }
        });
        Self { api, bench, shutdown, following }
    }

    /// One whose index is there.
    async fn live(pods: Vec<Value>, at_kubelet: Vec<Value>, change: impl FnOnce(&mut K8sConfig)) -> Self {
        let watching = Self::new(pods, at_kubelet, change).await;
        watching.until(|known| known.now().is_some()).await;
        watching
    }

    fn pods(&self) -> FakeCollection {
        self.api.collection(PODS)
    }

    async fn until(&self, known: impl FnMut(&crate::k8s::index::Known) -> bool) {
        in_time(self.bench.attestor.index.subscribe().wait_for(known)).await.unwrap();
    }

    async fn stop(self) {
        self.shutdown.trigger();
        self.following.await.unwrap();
    }
}

/// What would never happen fails, and does not hang.
async fn in_time<T>(happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), happens).await.unwrap()
}

fn namespace(tier: &str) -> Value {
    json!({"metadata": {"name": "shop", "uid": "n1", "labels": {"tier": tier}}})
}

fn mounted() -> MountedPod {
    let text = str::to_owned;
    MountedPod { namespace: text("shop"), name: text("web-1"), uid: text(UID), service_account: text("web") }
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut changed = pod();
    change(&mut changed);
    changed
}

/// A wait that no test lasts as long as.
fn long(config: &mut K8sConfig) {
    config.poll_retry_interval = Duration::from_hours(1);
}

#[tokio::test]
async fn watched_pods_cost_no_request() {
    let watching = Watching::live(vec![pod()], Vec::new(), long).await;
    for short in [MAIN, INIT, DEBUG] {
        let values = watching.bench.attest(&path(short)).await.unwrap();
        assert_eq!(values.len(), OF_POD.len() + 3, "{values:?}");
    }
    let values = watching.bench.attest(&format!("/../{}", id(MAIN))).await.unwrap();
    assert!(values.contains(&"container-name:main".to_owned()), "a container whose path tells no pod");
    watching.bench.attestor.attest_pod(&mounted()).await.unwrap();
    assert_eq!(watching.bench.kubelet.count(), 0);
    let asked = watching.pods().asked();
    assert_eq!((asked.lists, asked.watches), (1, 1));
    watching.stop().await;
}

#[tokio::test]
async fn node_that_has_no_name_is_named_by_its_kubelet() {
    let nameless = |config: &mut K8sConfig| {
        config.watch.as_mut().unwrap().node_name = None;
        long(config);
    };
    let watching = Watching::live(vec![pod()], vec![pod()], nameless).await;
    assert_eq!(watching.bench.kubelet.count(), 1);
    watching.bench.attest(&path(MAIN)).await.unwrap();
    assert_eq!(watching.bench.kubelet.count(), 1);
    watching.stop().await;
}

#[tokio::test]
async fn pods_of_other_nodes_are_not_asked_for() {
    let elsewhere = with(|pod| pod["spec"]["nodeName"] = json!("node2"));
    let watching = Watching::live(vec![elsewhere], Vec::new(), |config| config.max_poll_attempts = 2).await;
    let error = watching.bench.attest(&path(MAIN)).await.unwrap_err();
    assert_eq!(error.message, "no selectors found after max poll attempts");
    assert!(watching.bench.attestor.attest_pod(&mounted()).await.is_err());
    watching.stop().await;
}

#[tokio::test]
async fn pod_that_appears_while_a_call_waits_is_told_by_the_watch() {
    let watching = Watching::live(Vec::new(), Vec::new(), long).await;
    let path = path(MAIN);
    let bench = Arc::clone(&watching.bench);
    let attest = bench.attest(&path);
    tokio::pin!(attest);
    assert!(futures::poll!(&mut attest).is_pending(), "it did not wait");
    watching.pods().put(with(|pod| pod["status"] = json!({})));
    watching.until(|known| known.now().is_some_and(|pods| pods.len() == 1)).await;
    assert!(futures::poll!(&mut attest).is_pending(), "the pod doesn't have the container yet");
    watching.pods().put(pod());
    assert!(in_time(attest).await.unwrap().contains(&"container-name:main".to_owned()));
    assert_eq!(watching.bench.kubelet.count(), 0);
    watching.stop().await;
}

#[tokio::test]
async fn what_the_watch_does_not_tell_in_time_the_kubelet_does() {
    let starting = with(|pod| pod["status"] = json!({}));
    let watching = Watching::live(vec![starting], vec![pod()], |_| {}).await;
    assert!(watching.bench.attest(&path(MAIN)).await.unwrap().contains(&"container-name:main".to_owned()));
    assert_eq!(watching.bench.kubelet.count(), 1);
    watching.stop().await;
}

#[tokio::test]
async fn changes_and_deletions_are_followed() {
    let watching = Watching::live(vec![pod()], Vec::new(), |config| config.max_poll_attempts = 1).await;
    watching.pods().put(with(|pod| pod["metadata"]["labels"]["app"] = json!("api")));
    let label = |known: &crate::k8s::index::Known| known.now().unwrap()[UID].metadata.labels["app"].clone();
    watching.until(|known| label(known) == "api").await;
    assert!(watching.bench.attest(&path(MAIN)).await.unwrap().contains(&"pod-label:app:api".to_owned()));
    watching.pods().remove("shop", "web-1");
    watching.until(|known| known.now().unwrap().is_empty()).await;
    assert!(watching.bench.attest(&path(MAIN)).await.is_err());
    assert!(watching.bench.attestor.attest_pod(&mounted()).await.is_err());
    watching.stop().await;
}

#[tokio::test]
async fn list_is_made_anew_when_changes_are_forgotten() {
    let watching = Watching::live(vec![pod()], Vec::new(), long).await;
    watching.pods().remove("shop", "web-1");
    watching.until(|known| known.now().is_some_and(std::collections::HashMap::is_empty)).await;
    watching.pods().forget_changes();
    watching.pods().end_streams();
    watching.pods().wait_until_asked(|asked| asked.lists == 2).await;
    watching.pods().put(pod());
    watching.until(|known| known.now().is_some_and(|pods| pods.len() == 1)).await;
    assert!(watching.bench.attest(&path(MAIN)).await.is_ok());
    assert_eq!(watching.bench.kubelet.count(), 0);
    watching.stop().await;
}

#[tokio::test]
async fn stream_that_ends_goes_on_where_it_was() {
    let watching = Watching::live(vec![pod()], Vec::new(), long).await;
    watching.pods().end_streams();
    watching.pods().put(with(|pod| pod["metadata"]["labels"]["app"] = json!("api")));
    watching.pods().wait_until_asked(|asked| asked.watches == 2).await;
    watching.until(|known| known.now().is_some_and(|pods| pods[UID].metadata.labels["app"] == "api")).await;
    assert_eq!(watching.pods().asked().lists, 1);
    watching.stop().await;
}

#[tokio::test]
async fn gap_leaves_nothing_that_is_held_to_answer_from() {
    let watching = Watching::live(vec![pod()], Vec::new(), |config| config.max_poll_attempts = 1).await;
    watching.pods().refuse(Some(500));
    watching.pods().end_streams();
    watching.until(|known| known.now().is_none()).await;
    // Whether the pod is still there nobody knows but the kubelet, which has none.
    assert!(watching.bench.attest(&path(MAIN)).await.is_err());
    assert_eq!(watching.bench.kubelet.count(), 1);
    watching.bench.kubelet.set(vec![pod()]);
    watching.bench.attestor.clock.sleep(watching.bench.attestor.config.poll_retry_interval).await;
    assert!(watching.bench.attest(&path(MAIN)).await.is_ok());
    watching.pods().refuse(None);
    watching.until(|known| known.now().is_some()).await;
    let before = watching.bench.kubelet.count();
    watching.bench.attest(&path(MAIN)).await.unwrap();
    assert_eq!(watching.bench.kubelet.count(), before);
    watching.stop().await;
}

#[tokio::test]
async fn without_permission_the_kubelet_is_asked_as_before() {
    let watching = Watching::new(vec![pod()], vec![pod()], |_| {}).await;
    watching.pods().refuse(Some(403));
    watching.pods().end_streams();
    watching.until(|known| known.now().is_none()).await;
    assert!(watching.bench.attest(&path(MAIN)).await.is_ok());
    assert_eq!(watching.bench.kubelet.count(), 1);
    watching.stop().await;
}

#[tokio::test]
async fn mirrors_of_pods_from_files_are_left_to_the_kubelet() {
    let file = "0123456789abcdef0123456789abcdef";
    let mirror = with(|pod| pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": file, "a": "b"}));
    let itself = with(|pod| pod["metadata"]["uid"] = json!(file));
    let watching = Watching::live(vec![mirror], vec![itself], long).await;
    let values = watching.bench.attest(&format!("/kubepods/besteffort/pod{file}/{}", id(MAIN))).await.unwrap();
    assert!(values.contains(&format!("pod-uid:{file}")), "{values:?}");
    watching.stop().await;
}

#[tokio::test]
async fn mounted_pod_is_told_without_its_containers_and_only_when_all_agrees() {
    let starting = with(|pod| pod["status"] = json!({}));
    let watching = Watching::live(vec![starting], Vec::new(), long).await;
    let selectors = watching.bench.attestor.attest_pod(&mounted()).await.unwrap();
    let values: Vec<&str> = selectors.iter().map(steeple_types::Selector::value).collect();
    assert!(values.contains(&"sa:web") && values.contains(&"pod-label:app:web"), "{values:?}");
    assert!(!values.iter().any(|value| value.starts_with("container-")), "{values:?}");
    let other = |change: fn(&mut MountedPod)| {
        let mut mounted = mounted();
        change(&mut mounted);
        mounted
    };
    for forged in [
        other(|pod| pod.namespace = "bank".to_owned()),
        other(|pod| pod.name = "web-2".to_owned()),
        other(|pod| pod.service_account = "admin".to_owned()),
    ] {
        let error = watching.bench.attestor.attest_pod(&forged).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Denied, "{error}");
        assert!(error.message.contains("but its mount says"), "{error}");
    }
    assert_eq!(watching.bench.kubelet.count(), 0);
    watching.stop().await;
}

#[tokio::test]
async fn mounted_pod_that_is_not_known_yet_is_waited_for() {
    let watching = Watching::live(Vec::new(), Vec::new(), long).await;
    let mounted = mounted();
    let bench = Arc::clone(&watching.bench);
    let attest = bench.attestor.attest_pod(&mounted);
    tokio::pin!(attest);
    assert!(futures::poll!(&mut attest).is_pending(), "it did not wait");
    watching.pods().put(pod());
    assert!(attest.await.is_ok());
    watching.stop().await;
}

#[tokio::test]
async fn without_a_kubelet_only_watched_pods_are_known() {
    let watching = Watching::live(vec![pod()], vec![pod()], |config| {
        (config.kubelet, config.max_poll_attempts) = (None, 2);
    });
    let watching = watching.await;
    assert!(watching.bench.attest(&path(MAIN)).await.is_ok());
    let error = watching.bench.attest(&path(MAIN).replace('7', "8")).await.unwrap_err();
    assert_eq!(error.message, "kubelet client is disabled");
    assert_eq!(watching.bench.kubelet.count(), 0);
    watching.stop().await;
}

#[tokio::test]
async fn labels_of_namespaces_become_selectors() {
    let labelled = |config: &mut K8sConfig| {
        config.namespace_labels = config.watch.as_ref().map(|watch| watch.api_server.clone());
        long(config);
    };
    let watching = Watching::live(vec![pod()], Vec::new(), labelled).await;
    let namespaces = watching.api.collection(NAMESPACES);
    let mut held = watching.bench.attestor.namespaces.as_ref().unwrap().held();
    held.wait_for(Option::is_some).await.unwrap();
    let label = async || {
        let values = watching.bench.attest(&path(MAIN)).await.unwrap();
        values.iter().find_map(|value| value.strip_prefix("ns-label:tier:").map(str::to_owned)).unwrap()
    };
    assert_eq!(label().await, "gold");
    let mounted = watching.bench.attestor.attest_pod(&mounted()).await.unwrap();
    assert!(mounted.iter().any(|selector| selector.value() == "ns-label:tier:gold"));
    namespaces.put(namespace("silver"));
    held.wait_for(|known| known.as_ref().is_some_and(|known| known["shop"]["tier"] == "silver")).await.unwrap();
    assert_eq!(label().await, "silver");
    assert_eq!(namespaces.asked().gets, 0);
    // Without the watch each is asked for; without an answer nobody is let in.
    namespaces.remove("", "shop");
    held.wait_for(|known| known.as_ref().is_some_and(std::collections::HashMap::is_empty)).await.unwrap();
    let error = watching.bench.attest(&path(MAIN)).await.unwrap_err();
    assert!(error.message.starts_with("unable to get namespace labels for \"shop\": "), "{error}");
    watching.stop().await;
}
