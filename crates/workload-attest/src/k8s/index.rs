//! The node's pods, as an API server tells of them.

use std::collections::HashMap;

use steeple_clock::Clock;
use steeple_k8s::pod::Pod;
use steeple_k8s::{ApiServer, Change, Collection};
use steeple_runtime::Shutdown;
use tokio::sync::watch;

use super::follow::Follow;

/// Most pods that are held. The largest nodes have some hundred.
const MAX_PODS: usize = 10_000;

/// Where a node's pods are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodWatch {
    /// The API server.
    pub api_server: ApiServer,
    /// Name of the node, whose pods alone are asked for; without one the kubelet says it. What a kubelet is called by
    /// need not be its node's name: SPIRE's chart gives its address.
    pub node_name: Option<String>,
}

/// What is known of the pods. One task writes it; each call reads it.
pub(super) struct PodIndex(watch::Sender<Known>);

#[derive(Default)]
pub(super) struct Known {
    /// Whether each change is told as it happens. What is held from earlier tells nothing.
    live: bool,
    pods: HashMap<String, Pod>,
}

impl PodIndex {
    pub(super) fn new() -> Self {
        Self(watch::Sender::default())
    }

    /// Tells when something has changed.
    pub(super) fn subscribe(&self) -> watch::Receiver<Known> {
        self.0.subscribe()
    }

    /// Keeps the index until `shutdown` is triggered.
    pub(super) async fn follow(&self, api_server: &ApiServer, node_name: &str, clock: &Clock, shutdown: &Shutdown) {
        let collection = Collection {
            path: "/api/v1/pods".to_owned(),
            fields: Some(format!("spec.nodeName={node_name}")),
            labels: None,
            metadata_only: false,
            limit: MAX_PODS,
        };
        let lost = || self.0.send_modify(|known| *known = Known::default());
        let otherwise = "the kubelet is asked instead";
        let follow = Follow { collection, what: "pods", otherwise };
        follow.run(api_server, clock, shutdown, |change| self.take(change), lost).await;
    }

    fn take(&self, change: Change<Pod>) {
        self.0.send_modify(|known| match change {
            Change::All(pods) => {
                known.pods = pods.into_iter().filter(is_itself).map(|pod| (pod.metadata.uid.clone(), pod)).collect();
                known.live = true;
            }
            Change::Put(pod) => {
                known.pods.remove(&pod.metadata.uid);
                // What there is no room for is as unknown as a mirror.
                if is_itself(&pod) && known.pods.len() < MAX_PODS {
                    known.pods.insert(pod.metadata.uid.clone(), pod);
                }
            }
            Change::Gone(pod) => {
                known.pods.remove(&pod.metadata.uid);
            }
        });
    }
}

/// A mirror only shows a pod that the kubelet made from a file, under another UID than the pod has on its node.
fn is_itself(pod: &Pod) -> bool {
    pod.metadata.annotations.mirror.is_none()
}

impl Known {
    /// The pods, by their UIDs, when it is known that they are so now.
    pub(super) fn now(&self) -> Option<&HashMap<String, Pod>> {
        self.live.then_some(&self.pods)
    }
}
