//! What the `k8s` attestor asks of an API server and of kubelets.

use steeple_k8s::{Permission, Scope};

const fn cluster(resource: &'static str, verbs: &'static [&'static str], reason: &'static str) -> Permission {
    Permission { group: "", resource, names: &[], verbs, scope: Scope::Cluster, reason }
}

/// What it always asks for.
pub const PERMISSIONS: &[Permission] = &[
    cluster("pods", &["list", "watch"], "The agent knows the pods of its node without a request for each call."),
    cluster("nodes/pods", &["get"], "The kubelet lists the pods of its node when the watch does not know one yet."),
];

/// What it asks for with `enable_namespace_labels`.
pub const NAMESPACE_LABEL_PERMISSIONS: &[Permission] =
    &[cluster("namespaces", &["get", "list", "watch"], "Labels of namespaces become selectors.")];
