//! Objects of the cluster, as far as rules look at them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::api::core::v1::{Endpoints, Namespace, Node, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::{Value, json};

/// Kind of an object that asks for entries or federation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleKind {
    /// `ClusterSPIFFEID`
    ClusterSpiffeId,
    /// `WorkloadIdentity`
    WorkloadIdentity,
    /// `ClusterStaticEntry`
    ClusterStaticEntry,
    /// `ClusterFederatedTrustDomain`
    ClusterFederatedTrustDomain,
}

/// Which object asks for something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleKey {
    /// Kind.
    pub kind: RuleKind,
    /// Namespace, empty for what is of the whole cluster.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl RuleKey {
    pub(crate) fn of(kind: RuleKind, metadata: &ObjectMeta) -> Self {
        let namespace = metadata.namespace.clone().unwrap_or_default();
        Self { kind, namespace, name: metadata.name.clone().unwrap_or_default() }
    }
}

impl fmt::Display for RuleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            RuleKind::ClusterSpiffeId => "ClusterSPIFFEID",
            RuleKind::WorkloadIdentity => "WorkloadIdentity",
            RuleKind::ClusterStaticEntry => "ClusterStaticEntry",
            RuleKind::ClusterFederatedTrustDomain => "ClusterFederatedTrustDomain",
        };
        match self.namespace.as_str() {
            "" => write!(f, "{kind}/{}", self.name),
            namespace => write!(f, "{kind}/{namespace}/{}", self.name),
        }
    }
}

/// Which pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodKey {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// A pod.
///
/// Its metadata and spec are kept as text, a few kilobytes for each pod; what changes without a change in either
/// (`resourceVersion`, `managedFields`) is left out, so that an update of the pod's status is no change here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodObject {
    pub(crate) key: PodKey,
    pub(crate) uid: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) node: String,
    pub(crate) text: Box<str>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeObject {
    pub(crate) name: String,
    pub(crate) text: Box<str>,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceObject {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
}

/// Which pods stand behind a service, by one object that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointsObject {
    pub(crate) namespace: String,
    /// Name of the object, of which a service may have several.
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) pods: BTreeSet<String>,
}

impl PodObject {
    /// What rules look at in a pod.
    pub fn new(pod: &Pod) -> Self {
        let metadata = &pod.metadata;
        Self {
            key: PodKey {
                namespace: metadata.namespace.clone().unwrap_or_default(),
                name: metadata.name.clone().unwrap_or_default(),
            },
            uid: metadata.uid.clone().unwrap_or_default(),
            labels: metadata.labels.clone().unwrap_or_default(),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default(),
            text: text(metadata, &pod.spec),
        }
    }

    /// Which pod it is.
    pub fn key(&self) -> &PodKey {
        &self.key
    }

    /// Its UID.
    pub fn uid(&self) -> &str {
        &self.uid
    }
}

impl NodeObject {
    /// What rules look at in a node.
    pub fn new(node: &Node) -> Self {
        Self { name: node.metadata.name.clone().unwrap_or_default(), text: text(&node.metadata, &node.spec) }
    }
}

impl NamespaceObject {
    /// What rules look at in a namespace.
    pub fn new(namespace: &Namespace) -> Self {
        let metadata = &namespace.metadata;
        Self { name: metadata.name.clone().unwrap_or_default(), labels: metadata.labels.clone().unwrap_or_default() }
    }
}

impl EndpointsObject {
    /// Of the API's older kind, one object for a service.
    pub fn of_endpoints(endpoints: &Endpoints) -> Self {
        let subsets = endpoints.subsets.iter().flatten();
        let addresses = subsets
            .flat_map(|subset| subset.addresses.iter().flatten().chain(subset.not_ready_addresses.iter().flatten()));
        let references = addresses.filter_map(|address| address.target_ref.as_ref());
        let pods = references.filter(|reference| reference.kind.as_deref() == Some("Pod"));
        let name = endpoints.metadata.name.clone().unwrap_or_default();
        Self {
            namespace: endpoints.metadata.namespace.clone().unwrap_or_default(),
            service: name.clone(),
            name,
            pods: pods.filter_map(|reference| reference.uid.clone()).collect(),
        }
    }

    /// Of a slice; `None` when it belongs to no service.
    pub fn of_slice(slice: &EndpointSlice) -> Option<Self> {
        let labels = slice.metadata.labels.as_ref()?;
        let references = slice.endpoints.iter().flatten().filter_map(|endpoint| endpoint.target_ref.as_ref());
        let pods = references.filter(|reference| reference.kind.as_deref() == Some("Pod"));
        Some(Self {
            namespace: slice.metadata.namespace.clone().unwrap_or_default(),
            name: slice.metadata.name.clone().unwrap_or_default(),
            service: labels.get("kubernetes.io/service-name")?.clone(),
            pods: pods.filter_map(|reference| reference.uid.clone()).collect(),
        })
    }
}

fn text(metadata: &ObjectMeta, spec: &impl Serialize) -> Box<str> {
    let mut metadata = serde_json::to_value(metadata).unwrap_or_default();
    if let Value::Object(fields) = &mut metadata {
        fields.shift_remove("managedFields");
        fields.shift_remove("resourceVersion");
    }
    let spec = serde_json::to_value(spec).unwrap_or_default();
    json!({ "metadata": metadata, "spec": spec }).to_string().into()
}
