//! ClusterStaticEntry: an entry written out.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;

/// The entry.
#[derive(Clone, Debug, Default, PartialEq, CustomResource, JsonSchema, Deserialize, Serialize)]
#[kube(
    group = "spire.spiffe.io",
    version = "v1alpha1",
    kind = "ClusterStaticEntry",
    plural = "clusterstaticentries",
    singular = "clusterstaticentry",
    status = "ClusterStaticEntryStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "One registration entry written out, for workloads that are no pods of the cluster and for node aliases.",
    printcolumn = r#"{"name": "SPIFFE ID", "type": "string", "jsonPath": ".spec.spiffeID"}"#,
    printcolumn = r#"{"name": "Set", "type": "boolean", "jsonPath": ".status.set"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStaticEntrySpec {
    /// The identity given.
    #[serde(rename = "spiffeID")]
    #[schemars(length(min = 1))]
    pub spiffe_id: String,
    /// The node or other entry under which it is given; the server's ID for a node alias.
    #[serde(rename = "parentID")]
    #[schemars(length(min = 1))]
    pub parent_id: String,
    /// Selectors (type:value), all of which the workload or node must have.
    pub selectors: Vec<String>,
    /// Trust domains whose bundles the workload gets too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub federates_with: Vec<String>,
    /// Longest lifetime of X.509-SVIDs, a duration such as 1h30m; the server's own when absent.
    #[serde(default, skip_serializing_if = "String::is_empty", rename = "x509SVIDTTL")]
    pub x509_svid_ttl: String,
    /// Longest lifetime of JWT-SVIDs, a duration such as 5m; the server's own when absent.
    #[serde(default, skip_serializing_if = "String::is_empty", rename = "jwtSVIDTTL")]
    pub jwt_svid_ttl: String,
    /// DNS names of the X.509-SVID.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// What the workload may tell its SVIDs apart by.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// Whether the identity may administer the server.
    #[serde(default, skip_serializing_if = "is_false")]
    pub admin: bool,
    /// Whether the identity is that of a server below this one, which may ask for an intermediate CA.
    #[serde(default, skip_serializing_if = "is_false")]
    pub downstream: bool,
    /// Whether SVIDs go to an SVID store rather than to the Workload API.
    #[serde(default, skip_serializing_if = "is_false", rename = "storeSVID")]
    pub store_svid: bool,
    /// Class of the controller that is to act on this object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub class_name: String,
}

/// What became of a ClusterStaticEntry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterStaticEntryStatus {
    /// Whether the object makes an entry.
    pub rendered: bool,
    /// Whether another object asks for the entry already.
    pub masked: bool,
    /// Whether the server has the entry.
    pub set: bool,
    /// What is to be said of the object as a whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
