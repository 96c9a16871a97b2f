//! Finds the processes of a container or a pod.

use std::time::Duration;

use steeple_k8s::pod::Pod;
use steeple_plugin::{ErrorClass, MountedPod, Occupant, Place, PluginError};

use super::{K8s, NAME};
use crate::KIND;
use crate::container;

impl K8s {
    /// The processes in `place`, those of the containers that the pod tells of before that which only holds its namespaces;
    /// without any, the pod itself.
    pub(super) async fn occupant(&self, place: &Place) -> Result<Option<Occupant>, PluginError> {
        let root = &self.config.root;
        let failed = |error: std::io::Error| crate::internal(NAME, format!("{}: {error}", root.display()));
        let in_containers = container::pids(root).map_err(failed)?.into_iter().map(|pid| {
            // Processes come and go meanwhile, and those of conflicting cgroups are nobody's.
            (pid, self.config.locator.containers(root, pid).unwrap_or_default())
        });
        match place {
            Place::Container(id) => {
                let is_in = |container: &container::Container| container.id.starts_with(id.as_str());
                let pids = in_containers.filter(|(_, containers)| containers.iter().any(is_in));
                crate::found(NAME, &format!("container {id}"), pids.map(|(pid, _)| pid).collect())
            }
            Place::Pod { namespace, name } => {
                let pod = self.pod(namespace, name).await?;
                let (mut own, mut others) = (Vec::new(), Vec::new());
                for (pid, containers) in in_containers {
                    if containers.iter().any(|container| pod.container(&container.id).is_some()) {
                        own.push(pid);
                    } else if containers.iter().any(|one| one.pod_uid.as_ref() == Some(&pod.metadata.uid)) {
                        others.push(pid);
                    }
                }
                own.append(&mut others);
                if own.is_empty() {
                    let (namespace, name, uid) = (namespace.clone(), name.clone(), pod.metadata.uid);
                    let service_account = pod.spec.service_account_name;
                    return Ok(Some(Occupant::Pod(MountedPod { namespace, name, uid, service_account })));
                }
                Ok(Some(Occupant::Processes(own)))
            }
        }
    }

    /// The pod of this name on this node.
    async fn pod(&self, namespace: &str, name: &str) -> Result<Pod, PluginError> {
        let is_it = |pod: &&Pod| pod.metadata.namespace == namespace && pod.metadata.name == name;
        let known = self.index.subscribe();
        let indexed = known.borrow().now().and_then(|pods| pods.values().find(is_it).cloned());
        if let Some(pod) = indexed {
            return Ok(pod);
        }
        let listed = match &self.kubelet {
            Some(kubelet) => {
                let pods = kubelet.list(Duration::ZERO).await;
                let pods =
                    pods.map_err(|error| PluginError::new(KIND, NAME, ErrorClass::Unavailable, error.to_string()))?;
                pods.iter().find(is_it).cloned()
            }
            None => None,
        };
        listed.ok_or_else(|| {
            let text =
                format!("there is no pod {namespace}/{name} on this node; ask the agent of the node that it runs on");
            PluginError::new(KIND, NAME, ErrorClass::NotFound, text)
        })
    }
}
