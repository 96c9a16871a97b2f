//! Values of selectors, as SPIRE writes them.

use std::collections::{BTreeMap, BTreeSet};

use steeple_k8s::pod::{ContainerStatus, Pod};

/// What a pod is.
pub(super) fn of_pod(pod: &Pod) -> Vec<String> {
    let (metadata, status) = (&pod.metadata, &pod.status);
    let mut values = vec![
        format!("sa:{}", pod.spec.service_account_name),
        format!("ns:{}", metadata.namespace),
        format!("node-name:{}", pod.spec.node_name),
        format!("pod-uid:{}", metadata.uid),
        format!("pod-name:{}", metadata.name),
        format!("pod-image-count:{}", status.container_statuses.len()),
        format!("pod-init-image-count:{}", status.init_container_statuses.len()),
    ];
    values.extend(images("pod-image", &status.container_statuses));
    values.extend(images("pod-init-image", &status.init_container_statuses));
    values.extend(metadata.labels.iter().map(|(key, value)| format!("pod-label:{key}:{value}")));
    for owner in &metadata.owner_references {
        values.push(format!("pod-owner:{}:{}", owner.kind, owner.name));
        values.push(format!("pod-owner-uid:{}:{}", owner.kind, owner.uid));
    }
    values
}

/// What a namespace is.
pub(super) fn of_namespace(labels: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    labels.iter().map(|(key, value)| format!("ns-label:{key}:{value}"))
}

/// What a container of a pod is.
pub(super) fn of_container(status: &ContainerStatus) -> Vec<String> {
    let mut values = vec![format!("container-name:{}", status.name)];
    values.extend(images("container-image", std::slice::from_ref(status)));
    values
}

/// Images by name and by digest, each once: entries are made before a digest is known, and after.
fn images(kind: &str, containers: &[ContainerStatus]) -> Vec<String> {
    let names: BTreeSet<&str> =
        containers.iter().flat_map(|status| [status.image.as_str(), status.image_id.as_str()]).collect();
    names.into_iter().map(|name| format!("{kind}:{name}")).collect()
}
