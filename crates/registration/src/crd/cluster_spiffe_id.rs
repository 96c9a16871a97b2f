//! ClusterSPIFFEID: identities of pods, all over the cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;

/// Which pods get which identity.
#[derive(Clone, Debug, Default, PartialEq, CustomResource, JsonSchema, Deserialize, Serialize)]
#[kube(
    group = "spire.spiffe.io",
    version = "v1alpha1",
    kind = "ClusterSPIFFEID",
    root = "ClusterSpiffeId",
    plural = "clusterspiffeids",
    singular = "clusterspiffeid",
    status = "ClusterSpiffeIdStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "Gives identities to pods of the cluster, one entry for each pod that it selects.",
    printcolumn = r#"{"name": "Template", "type": "string", "jsonPath": ".spec.spiffeIDTemplate"}"#,
    printcolumn = r#"{"name": "Pods", "type": "integer", "jsonPath": ".status.stats.podsSelected"}"#,
    printcolumn = r#"{"name": "Entries", "type": "integer", "jsonPath": ".status.stats.entriesToSet"}"#,
    printcolumn = r#"{"name": "Failures", "type": "integer", "jsonPath": ".status.stats.podEntryRenderFailures"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpiffeIdSpec {
    /// Template of the SPIFFE ID (Go text/template over .TrustDomain, .ClusterName, .ClusterDomain, .PodMeta, .PodSpec,
    /// .NodeMeta and .NodeSpec).
    #[serde(rename = "spiffeIDTemplate")]
    #[schemars(length(min = 1))]
    pub spiffe_id_template: String,
    /// Longest lifetime of X.509-SVIDs, a duration such as 1h30m; the server's own when absent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ttl: String,
    /// Longest lifetime of JWT-SVIDs, a duration such as 5m; the server's own when absent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub jwt_ttl: String,
    /// Templates of DNS names for the X.509-SVID, over the same values as the SPIFFE ID's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_name_templates: Vec<String>,
    /// Templates of further selectors (type:value) that a process of the pod must have, over the same values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workload_selector_templates: Vec<String>,
    /// Trust domains whose bundles the workload gets too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub federates_with: Vec<String>,
    /// Labels of the namespaces meant; all namespaces when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Labels of the pods meant; all pods when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// Whether the identity may administer the server.
    #[serde(default, skip_serializing_if = "is_false")]
    pub admin: bool,
    /// Whether the identity is that of a server below this one, which may ask for an intermediate CA.
    #[serde(default, skip_serializing_if = "is_false")]
    pub downstream: bool,
    /// Whether the names of the services behind which the pod stands become DNS names.
    #[serde(default, skip_serializing_if = "is_false", rename = "autoPopulateDNSNames")]
    pub auto_populate_dns_names: bool,
    /// Class of the controller that is to act on this object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub class_name: String,
    /// Whether the object counts only for pods to which no other object gives an identity.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fallback: bool,
    /// What the workload may tell its SVIDs apart by.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// What became of a ClusterSPIFFEID.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpiffeIdStatus {
    /// Counts.
    #[serde(default)]
    pub stats: ClusterSpiffeIdStats,
    /// What is to be said of the object as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Counts of a ClusterSPIFFEID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterSpiffeIdStats {
    /// Namespaces that the selector takes, ignored ones among them.
    pub namespaces_selected: i64,
    /// Namespaces of these which the controller's configuration ignores.
    pub namespaces_ignored: i64,
    /// Pods taken in the remaining namespaces.
    pub pods_selected: i64,
    /// Pods of these for which no entry could be made.
    pub pod_entry_render_failures: i64,
    /// Entries that another object asks for already.
    pub entries_masked: i64,
    /// Entries that this object brings.
    pub entries_to_set: i64,
    /// Entries that the server refused.
    pub entry_failures: i64,
}
