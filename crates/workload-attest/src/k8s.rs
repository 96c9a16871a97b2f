//! `k8s`: pod and container that a process runs in.
//!
//! The pods of the node are watched at the API server where that is permitted, so that a call costs no request. What
//! isn't known that way, the node's kubelet is asked for.

mod find;
mod follow;
mod index;
mod list;
mod locate;
mod look;
mod namespaces;
mod permissions;
mod selectors;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use steeple_clock::Clock;
use steeple_k8s::ApiServer;
use steeple_k8s::kubelet::Kubelet;
use steeple_plugin::{ErrorClass, MountedPod, Occupant, Place, PluginError, WorkloadAttestor};
use steeple_runtime::Shutdown;
use steeple_types::Selector;
use tokio::sync::watch;
use tracing::{debug, warn};

pub use self::index::PodWatch;
pub use self::locate::Locator;
pub use self::permissions::{NAMESPACE_LABEL_PERMISSIONS, PERMISSIONS};

use self::index::{Known, PodIndex};
use self::list::Pods;
use self::look::{Found, Wanted};
use self::namespaces::Namespaces;
use crate::KIND;

const NAME: &str = "k8s";
/// Pause before the kubelet is asked again for its node's name.
const NAMING_PAUSE: Duration = Duration::from_secs(10);

/// What the `k8s` attestor is told by its configuration.
#[derive(Clone, Debug)]
pub struct K8sConfig {
    /// Directory under which `proc` is: `/`.
    pub root: PathBuf,
    /// How the container of a process is found.
    pub locator: Locator,
    /// The node's kubelet; none with `disable_kubelet_client`.
    pub kubelet: Option<Kubelet>,
    /// Where the node's pods are watched, if they are.
    pub watch: Option<PodWatch>,
    /// Where labels of namespaces are asked for, if they are wanted (`enable_namespace_labels`).
    pub namespace_labels: Option<ApiServer>,
    /// How often a pod is looked for that is not known yet (`max_poll_attempts`).
    pub max_poll_attempts: u32,
    /// Pause between two times (`poll_retry_interval`).
    pub poll_retry_interval: Duration,
    /// Whether only the pod counts, so that a container needs not be known yet (`disable_container_selectors`).
    pub disable_container_selectors: bool,
}

/// Attests by the pod whose cgroup a process is in, or whose socket is called on.
pub struct K8s {
    config: K8sConfig,
    index: PodIndex,
    kubelet: Option<Pods>,
    namespaces: Option<Namespaces>,
    clock: Clock,
}

impl K8s {
    /// An attestor of the pods that `config` leads to.
    pub fn new(config: K8sConfig, clock: Clock) -> Self {
        let kubelet = config.kubelet.clone().map(|kubelet| Pods::new(kubelet, clock.clone()));
        let namespaces = config.namespace_labels.clone().map(|server| Namespaces::new(server, clock.clone()));
        Self { config, index: PodIndex::new(), kubelet, namespaces, clock }
    }

    /// The selectors of what is wanted, which is waited for if nothing is known of it yet.
    async fn selectors(&self, wanted: &Wanted<'_>) -> Result<Vec<Selector>, PluginError> {
        let mut changes = self.index.subscribe();
        let mut last = None;
        for attempt in 1..=self.config.max_poll_attempts {
            let found = match Self::in_index(&mut changes, wanted) {
                Indexed::Found(found) => Some(found?),
                Indexed::Awaited if attempt == 1 => None,
                Indexed::Awaited | Indexed::Unknown => self.at_kubelet(wanted, &mut last).await?,
            };
            let found = match found {
                None if attempt < self.config.max_poll_attempts => {
                    debug!(subsystem_name = "k8s", %wanted, attempt, "Pod or container not found; will look again");
                    self.change(&mut changes, wanted).await?
                }
                found => found,
            };
            if let Some(found) = found {
                return self.with_namespace(found).await;
            }
        }
        warn!(subsystem_name = "k8s", %wanted, "Pod or container not found; giving up");
        let message = last.unwrap_or_else(|| "no selectors found after max poll attempts".to_owned());
        Err(PluginError::new(KIND, NAME, ErrorClass::Unavailable, message))
    }

    /// The name of the node, by the pods that its kubelet has.
    async fn node_name(&self) -> Option<String> {
        let kubelet = self.kubelet.as_ref()?;
        loop {
            match kubelet.list(self.config.poll_retry_interval).await {
                Err(error) => warn!(subsystem_name = "k8s", %error, "Unable to get pod list"),
                Ok(pods) => {
                    let mut names = pods.iter().map(|pod| &pod.spec.node_name).filter(|name| !name.is_empty());
                    if let Some(name) = names.next() {
                        return Some(name.clone());
                    }
                }
            }
            self.clock.sleep(NAMING_PAUSE).await;
        }
    }

    fn in_index(changes: &mut watch::Receiver<Known>, wanted: &Wanted<'_>) -> Indexed {
        let known = changes.borrow_and_update();
        let Some(pods) = known.now() else { return Indexed::Unknown };
        match wanted.in_index(pods) {
            Err(error) => Indexed::Found(Err(error)),
            Ok(Some(found)) => Indexed::Found(Ok(found)),
            Ok(None) if wanted.is_told_by_index() => Indexed::Awaited,
            Ok(None) => Indexed::Unknown,
        }
    }

    /// What the kubelet says. That it doesn't answer is not the end: it may be starting anew.
    async fn at_kubelet(&self, wanted: &Wanted<'_>, last: &mut Option<String>) -> Result<Option<Found>, PluginError> {
        let Some(kubelet) = &self.kubelet else {
            *last = Some("kubelet client is disabled".to_owned());
            return Ok(None);
        };
        // A list that was asked for within the same poll is fresh enough, unless it has to tell what is not there.
        let fresh = if wanted.is_told_by_index() { self.config.poll_retry_interval / 2 } else { Duration::ZERO };
        match kubelet.list(fresh).await {
            Ok(pods) => {
                *last = None;
                wanted.in_list(&pods)
            }
            Err(error) => {
                warn!(subsystem_name = "k8s", %error, "Unable to get pod list");
                *last = Some(error.to_string());
                Ok(None)
            }
        }
    }

    /// Waits for the pause between two attempts; what the index learns meanwhile ends the wait.
    async fn change(
        &self,
        changes: &mut watch::Receiver<Known>,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Found>, PluginError> {
        let pause = self.clock.sleep(self.config.poll_retry_interval);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return Ok(None),
                // The sender lives as long as the attestor.
                _ = changes.changed() => {
                    if let Indexed::Found(found) = Self::in_index(changes, wanted) {
                        return found.map(Some);
                    }
                }
            }
        }
    }

    async fn with_namespace(&self, found: Found) -> Result<Vec<Selector>, PluginError> {
        let Found { mut values, namespace } = found;
        if let Some(namespaces) = &self.namespaces {
            let labels = namespaces.labels(&namespace).await.map_err(|reason| {
                crate::internal(NAME, format!("unable to get namespace labels for {namespace:?}: {reason}"))
            })?;
            values.extend(selectors::of_namespace(&labels));
        }
        Ok(crate::selectors(NAME, values))
    }
}

/// What the index says of what is wanted.
enum Indexed {
    Found(Result<Found, PluginError>),
    /// It isn't there yet, and will be when it is there at all.
    Awaited,
    /// The index can't tell.
    Unknown,
}

#[async_trait]
impl WorkloadAttestor for K8s {
    fn name(&self) -> &str {
        NAME
    }

    async fn attest(&self, pid: u32) -> Result<Vec<Selector>, PluginError> {
        let containers = self.config.locator.containers(&self.config.root, pid);
        let containers = containers.map_err(|error| crate::unlocated(NAME, &error))?;
        if containers.is_empty() {
            return Ok(Vec::new());
        }
        let pod_alone = self.config.disable_container_selectors;
        self.selectors(&Wanted::Container { containers: &containers, pod_alone }).await
    }

    async fn attest_pod(&self, pod: &MountedPod) -> Result<Vec<Selector>, PluginError> {
        self.selectors(&Wanted::Pod(pod)).await
    }

    async fn find(&self, place: &Place) -> Result<Option<Occupant>, PluginError> {
        self.occupant(place).await
    }

    async fn follow(&self, shutdown: &Shutdown) {
        let pods = async {
            let Some(PodWatch { api_server, node_name }) = &self.config.watch else { return };
            let node_name = match node_name {
                Some(name) => Some(name.clone()),
                None => Box::pin(shutdown.until(self.node_name())).await.flatten(),
            };
            if let Some(name) = node_name {
                self.index.follow(api_server, &name, &self.clock, shutdown).await;
            }
        };
        let namespaces = async {
            if let Some(namespaces) = &self.namespaces {
                namespaces.follow(shutdown).await;
            }
        };
        tokio::join!(pods, namespaces);
    }
}
