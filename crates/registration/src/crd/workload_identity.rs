//! WorkloadIdentity: identities of pods of one namespace, given by the namespace's own people.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;

/// Which pods of the object's namespace get which identity.
///
/// What only the cluster's operators may give is not here: no `admin`, no `downstream`, no other namespace, no facts of
/// nodes, no DNS names outside the namespace.
#[derive(Clone, Debug, Default, PartialEq, CustomResource, JsonSchema, Deserialize, Serialize)]
#[kube(
    group = "steeple.dev",
    version = "v1alpha1",
    kind = "WorkloadIdentity",
    plural = "workloadidentities",
    singular = "workloadidentity",
    namespaced,
    status = "WorkloadIdentityStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "Gives identities below /ns/<namespace>/ to pods of its own namespace.",
    printcolumn = r#"{"name": "Template", "type": "string", "jsonPath": ".spec.spiffeIDTemplate"}"#,
    printcolumn = r#"{"name": "Pods", "type": "integer", "jsonPath": ".status.stats.podsSelected"}"#,
    printcolumn = r#"{"name": "Entries", "type": "integer", "jsonPath": ".status.stats.entriesToSet"}"#,
    printcolumn = r#"{"name": "Failures", "type": "integer", "jsonPath": ".status.stats.podEntryRenderFailures"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIdentitySpec {
    /// Template of the SPIFFE ID (Go text/template over .TrustDomain, .ClusterName, .ClusterDomain, .PodMeta and .PodSpec).
    /// It begins with the trust domain, literally or as {{ .TrustDomain }}, and /ns/ with this object's namespace,
    /// literally or as {{ .PodMeta.Namespace }}.
    #[serde(rename = "spiffeIDTemplate")]
    #[schemars(
        length(max = 2048),
        regex(
            pattern = r"^spiffe://([a-z0-9._-]{1,255}|\{\{ *\.TrustDomain *\}\})/ns/([a-z0-9-]{1,63}|\{\{ *\.PodMeta\.Namespace *\}\})/.+$"
        )
    )]
    pub spiffe_id_template: String,
    /// Labels of the pods meant; all pods of the namespace when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// Longest lifetime of X.509-SVIDs, a duration such as 1h30m; the server's own when absent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32))]
    pub ttl: String,
    /// Longest lifetime of JWT-SVIDs, a duration such as 5m; the server's own when absent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32))]
    pub jwt_ttl: String,
    /// Templates of DNS names for the X.509-SVID. What they yield must end with `.<namespace>.svc`, or with that and the
    /// cluster's domain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 1024)))]
    pub dns_name_templates: Vec<String>,
    /// Templates of further selectors (type:value) that a process of the pod must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 1024)))]
    pub workload_selector_templates: Vec<String>,
    /// Trust domains whose bundles the workload gets too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 255)))]
    pub federates_with: Vec<String>,
    /// Whether the names of the services behind which the pod stands become DNS names, as `<service>.<namespace>.svc`.
    #[serde(default, skip_serializing_if = "is_false", rename = "autoPopulateDNSNames")]
    pub auto_populate_dns_names: bool,
    /// Class of the controller that is to act on this object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub class_name: String,
    /// Whether the object counts only for pods to which no other object gives an identity.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fallback: bool,
    /// What the workload may tell its SVIDs apart by.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub hint: String,
}

/// What became of a WorkloadIdentity.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadIdentityStatus {
    /// Counts.
    pub stats: WorkloadIdentityStats,
    /// What is to be said of the object as a whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Counts of a WorkloadIdentity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadIdentityStats {
    /// Pods that the selector takes.
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
