//! What attestation wants to know of a pod, read from a kubelet's list.
//!
//! The API's own types would hold all of each pod in memory; a list has a hundred of them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A list of pods.
#[derive(Default, Deserialize)]
struct PodList {
    #[serde(default, deserialize_with = "or_default")]
    items: Vec<Pod>,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    /// Name, labels and the like.
    pub metadata: Metadata,
    /// What was asked for.
    pub spec: Spec,
    /// What is so.
    pub status: Status,
}

/// Metadata of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// UID.
    pub uid: String,
    /// What marks a pod as more than it seems.
    #[serde(deserialize_with = "or_default")]
    pub annotations: Annotations,
    /// Labels.
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// Objects that the pod belongs to.
    #[serde(deserialize_with = "or_default")]
    pub owner_references: Vec<Owner>,
}

/// The annotations that count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Annotations {
    /// UID that the node's kubelet gave a pod which it made from a file, and which this one shows to the API server.
    #[serde(rename = "kubernetes.io/config.mirror")]
    pub mirror: Option<String>,
}

/// An object that a pod belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// Kind, such as `ReplicaSet`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// Service account.
    pub service_account_name: String,
    /// Node.
    pub node_name: String,
}

/// What is so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// Containers.
    #[serde(deserialize_with = "or_default")]
    pub container_statuses: Vec<ContainerStatus>,
    /// Init containers.
    #[serde(deserialize_with = "or_default")]
    pub init_container_statuses: Vec<ContainerStatus>,
    /// Containers added to a running pod, for debugging.
    #[serde(deserialize_with = "or_default")]
    pub ephemeral_container_statuses: Vec<ContainerStatus>,
}

/// A container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// Name.
    pub name: String,
    /// `<runtime>://<id>`, once it runs.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// Image as it was asked for.
    pub image: String,
    /// Image as it was found, by its digest.
    #[serde(rename = "imageID")]
    pub image_id: String,
}

impl Pod {
    /// The container of the pod whose ID is `id`.
    pub fn container(&self, id: &str) -> Option<&ContainerStatus> {
        let status = &self.status;
        let all = [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
        all.into_iter().flatten().find(|container| {
            let found = container.container_id.split_once("://");
            found.is_some_and(|(_, found)| !found.is_empty() && found == id)
        })
    }
}

/// The pods in a kubelet's answer.
///
/// # Errors
/// When it is no list of pods.
pub fn list(answer: &[u8]) -> serde_json::Result<Vec<Pod>> {
    Ok(serde_json::from_slice::<PodList>(answer)?.items)
}

/// A `null` counts as nothing, as in Go.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
