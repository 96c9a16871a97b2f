//! `k8s`: pod and container that a process runs in, as the node's kubelet knows them.

mod list;
mod selectors;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use steeple_clock::Clock;
use steeple_k8s::kubelet::Kubelet;
use steeple_k8s::pod::Pod;
use steeple_plugin::{ErrorClass, PluginError, WorkloadAttestor};
use steeple_types::Selector;
use tracing::{debug, warn};

use self::list::Pods;
use crate::KIND;
use crate::container::{self, Container, Look};

const NAME: &str = "k8s";

/// What the `k8s` attestor is told by its configuration.
#[derive(Clone, Debug)]
pub struct K8sConfig {
    /// Directory under which `proc` is: `/`.
    pub root: PathBuf,
    /// The node's kubelet.
    pub kubelet: Kubelet,
    /// How often the kubelet is asked for a pod that it does not know yet (`max_poll_attempts`).
    pub max_poll_attempts: u32,
    /// Pause between two times (`poll_retry_interval`).
    pub poll_retry_interval: Duration,
    /// Whether only the pod counts, so that a container needs not be known yet (`disable_container_selectors`).
    pub disable_container_selectors: bool,
}

/// Attests by what the kubelet says of the pod whose cgroup a process is in.
pub struct K8s {
    config: K8sConfig,
    pods: Pods,
    clock: Clock,
}

impl K8s {
    /// An attestor that asks the kubelet that `config` names.
    pub fn new(config: K8sConfig, clock: Clock) -> Self {
        // A list that was asked for within the same poll is fresh enough.
        let pods = Pods::new(config.kubelet.clone(), config.poll_retry_interval / 2, clock.clone());
        Self { config, pods, clock }
    }

    fn in_list(&self, pods: &[Pod], container: &Container) -> Result<Option<Vec<String>>, PluginError> {
        let mut found = None;
        for pod in pods {
            let known = container.pod_uid.as_ref().map(|uid| *uid == pod.metadata.uid);
            if known == Some(false) {
                continue;
            }
            let status = pod.container(&container.id);
            // The kubelet may know a pod before it knows its container.
            if status.is_none() && !(known == Some(true) && self.config.disable_container_selectors) {
                continue;
            }
            let mut values = selectors::of_pod(pod);
            if let Some(status) = status.filter(|_| !self.config.disable_container_selectors) {
                values.extend(selectors::of_container(status));
            }
            if found.replace(values).is_some() {
                warn!(subsystem_name = "k8s", container_id = container.id, "Two pods found with same container Id");
                return Err(crate::internal(NAME, "two pods found with same container Id"));
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl WorkloadAttestor for K8s {
    fn name(&self) -> &str {
        NAME
    }

    async fn attest(&self, pid: u32) -> Result<Vec<Selector>, PluginError> {
        let unlocated = |error| crate::unlocated(NAME, &error);
        let (cgroup, mountinfo) = container::texts(&self.config.root, pid).map_err(unlocated)?;
        let found = container::located(&cgroup, mountinfo, Look::ContainersAndPods).map_err(unlocated)?;
        let Some(container) = found else { return Ok(Vec::new()) };
        let attempts = self.config.max_poll_attempts;
        for attempt in 1..=attempts {
            let pods: Arc<[Pod]> = self.pods.list().await.map_err(|error| crate::internal(NAME, error.to_string()))?;
            if let Some(values) = self.in_list(&pods, &container)? {
                return Ok(crate::selectors(NAME, values));
            }
            if attempt < attempts {
                debug!(subsystem_name = "k8s", container_id = container.id, attempt, "Container id not found");
                self.clock.sleep(self.config.poll_retry_interval).await;
            }
        }
        warn!(subsystem_name = "k8s", container_id = container.id, "Container id not found; giving up");
        let message = "no selectors found after max poll attempts";
        Err(PluginError::new(KIND, NAME, ErrorClass::Unavailable, message))
    }
}
