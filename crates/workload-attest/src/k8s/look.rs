//! Looks for a pod among those that are known.

use std::collections::HashMap;
use std::fmt;

use steeple_k8s::pod::Pod;
use steeple_plugin::{ErrorClass, MountedPod, PluginError};
use tracing::warn;

use super::{NAME, selectors};
use crate::KIND;
use crate::container::Container;

/// What selectors are wanted of.
pub(super) enum Wanted<'a> {
    /// A process.
    Container {
        /// The containers that its cgroups name, the outermost first.
        containers: &'a [Container],
        /// Whether the container itself does not count.
        pod_alone: bool,
    },
    /// Whoever calls from a pod.
    Pod(&'a MountedPod),
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Values of selectors.
    pub(super) values: Vec<String>,
    /// Namespace of the pod.
    pub(super) namespace: String,
}

/// Pods, by their UIDs or as they come.
trait Pods<'a> {
    fn with_uid(&self, uid: &str) -> Option<&'a Pod>;
    fn all(&self) -> impl Iterator<Item = &'a Pod>;
}

impl<'a> Pods<'a> for &'a HashMap<String, Pod> {
    fn with_uid(&self, uid: &str) -> Option<&'a Pod> {
        self.get(uid)
    }

    fn all(&self) -> impl Iterator<Item = &'a Pod> {
        self.values()
    }
}

impl<'a> Pods<'a> for &'a [Pod] {
    fn with_uid(&self, uid: &str) -> Option<&'a Pod> {
        self.iter().find(|pod| pod.metadata.uid == uid)
    }

    fn all(&self) -> impl Iterator<Item = &'a Pod> {
        self.iter()
    }
}

impl Wanted<'_> {
    /// Whether the index is sure to hold it in the end, and nothing else can be meant: one container of a pod with a UID of
    /// the API server's. Pods that a kubelet makes from files have others, and paths that name several containers
    /// mean the first one whose pod is on this node, which only the kubelet knows for sure.
    pub(super) fn is_told_by_index(&self) -> bool {
        match self {
            Self::Container { containers, .. } => matches!(containers, [one] if one.pod_uid.is_some()),
            Self::Pod(_) => true,
        }
    }

    /// Looks for it in the index.
    pub(super) fn in_index(&self, pods: &HashMap<String, Pod>) -> Result<Option<Found>, PluginError> {
        self.among(&pods, false)
    }

    /// Looks for it in the kubelet's list, which has all pods of the node.
    pub(super) fn in_list(&self, pods: &[Pod]) -> Result<Option<Found>, PluginError> {
        self.among(&pods, true)
    }

    fn among<'p>(&self, pods: &impl Pods<'p>, is_complete: bool) -> Result<Option<Found>, PluginError> {
        match self {
            Self::Pod(mounted) => pods.with_uid(&mounted.uid).map(|pod| mounted_pod(mounted, pod)).transpose(),
            Self::Container { containers, pod_alone } => {
                for container in *containers {
                    match outermost(pods, container, *pod_alone)? {
                        Sight::Found(found) => return Ok(Some(found)),
                        Sight::Absent if is_complete => {}
                        Sight::Absent | Sight::Starting => return Ok(None),
                    }
                }
                Ok(None)
            }
        }
    }
}

enum Sight {
    Found(Found),
    /// The pod is there, and doesn't know its container yet.
    Starting,
    /// No such pod is there.
    Absent,
}

fn outermost<'p>(pods: &impl Pods<'p>, container: &Container, pod_alone: bool) -> Result<Sight, PluginError> {
    let found = |pod: &Pod| {
        let status = pod.container(&container.id);
        if status.is_none() && !(container.pod_uid.is_some() && pod_alone) {
            return None;
        }
        let mut values = selectors::of_pod(pod);
        if let Some(status) = status.filter(|_| !pod_alone) {
            values.extend(selectors::of_container(status));
        }
        Some(Found { values, namespace: pod.metadata.namespace.clone() })
    };
    if let Some(uid) = &container.pod_uid {
        let Some(pod) = pods.with_uid(uid) else { return Ok(Sight::Absent) };
        return Ok(found(pod).map_or(Sight::Starting, Sight::Found));
    }
    let mut all = pods.all().filter_map(found);
    match (all.next(), all.next()) {
        (None, _) => Ok(Sight::Absent),
        (Some(one), None) => Ok(Sight::Found(one)),
        (Some(_), Some(_)) => {
            warn!(subsystem_name = "k8s", container_id = container.id, "Two pods found with same container Id");
            Err(crate::internal(NAME, "two pods found with same container Id"))
        }
    }
}

/// A pod is taken for the one that was mounted when everything that the kubelet told of it is so.
fn mounted_pod(mounted: &MountedPod, pod: &Pod) -> Result<Found, PluginError> {
    let (metadata, spec) = (&pod.metadata, &pod.spec);
    let is = (metadata.namespace.as_str(), metadata.name.as_str(), spec.service_account_name.as_str());
    let said = (mounted.namespace.as_str(), mounted.name.as_str(), mounted.service_account.as_str());
    if is != said {
        let message = format!(
            "pod with UID {:?} has namespace, name and service account {is:?}, but its mount says {said:?}",
            mounted.uid
        );
        return Err(PluginError::new(KIND, NAME, ErrorClass::Denied, message));
    }
    Ok(Found { values: selectors::of_pod(pod), namespace: metadata.namespace.clone() })
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(pod) => write!(f, "pod {}/{} {}", pod.namespace, pod.name, pod.uid),
            Self::Container { containers, .. } => {
                for container in *containers {
                    write!(f, "container {} of pod {:?} ", container.id, container.pod_uid.as_deref().unwrap_or("?"))?;
                }
                Ok(())
            }
        }
    }
}
