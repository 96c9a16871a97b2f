//! ClusterFederatedTrustDomain: a trust domain to federate with.
#![expect(unreachable_pub, reason = "KubeSchema copies the struct, with its visibility, into a function")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the other trust domain's bundle is.
#[derive(Clone, Debug, Default, PartialEq, CustomResource, KubeSchema, Deserialize, Serialize)]
#[kube(
    group = "spire.spiffe.io",
    version = "v1alpha1",
    kind = "ClusterFederatedTrustDomain",
    plural = "clusterfederatedtrustdomains",
    singular = "clusterfederatedtrustdomain",
    status = "ClusterFederatedTrustDomainStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A federation relationship of the server with another trust domain.",
    printcolumn = r#"{"name": "Trust Domain", "type": "string", "jsonPath": ".spec.trustDomain"}"#,
    printcolumn = r#"{"name": "Endpoint URL", "type": "string", "jsonPath": ".spec.bundleEndpointURL"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterFederatedTrustDomainSpec {
    /// Name of the other trust domain.
    #[schemars(regex(pattern = "[a-z0-9._-]{1,255}"))]
    pub trust_domain: String,
    /// URL of its bundle endpoint: https, with a host, without user and password.
    #[serde(rename = "bundleEndpointURL")]
    #[x_kube(validation = Rule::new("self.startsWith('https://')").message("the URL of a bundle endpoint begins with https://"))]
    pub bundle_endpoint_url: String,
    /// How the endpoint is authenticated.
    #[x_kube(validation = Rule::new("self.type == 'https_spiffe' ? has(self.endpointSPIFFEID) && self.endpointSPIFFEID.startsWith('spiffe://') : !has(self.endpointSPIFFEID) || self.endpointSPIFFEID == ''").message("endpointSPIFFEID goes with type https_spiffe, and only with it"))]
    pub bundle_endpoint_profile: BundleEndpointProfile,
    /// The bundle to begin with, a SPIFFE bundle document.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trust_domain_bundle: String,
    /// Class of the controller that is to act on this object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub class_name: String,
}

/// How a bundle endpoint is authenticated (SPIFFE Federation, section 5.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundleEndpointProfile {
    /// By Web PKI or by an X.509-SVID.
    #[serde(rename = "type")]
    pub kind: BundleEndpointProfileType,
    /// The ID of the endpoint's X.509-SVID, with https_spiffe only.
    #[serde(default, skip_serializing_if = "String::is_empty", rename = "endpointSPIFFEID")]
    pub endpoint_spiffe_id: String,
}

/// Kind of authentication of a bundle endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum BundleEndpointProfileType {
    /// By an X.509-SVID.
    #[serde(rename = "https_spiffe")]
    HttpsSpiffe,
    /// By Web PKI.
    #[default]
    #[serde(rename = "https_web")]
    HttpsWeb,
}

/// What became of a ClusterFederatedTrustDomain.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterFederatedTrustDomainStatus {
    /// What is to be said of the object as a whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
