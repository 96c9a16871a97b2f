//! Custom resources.
//!
//! Those of the group `spire.spiffe.io` are spire-controller-manager's, field by field, so that objects made for it work
//! as they are. [`WorkloadIdentity`] is ours and has a group of its own, `steeple.dev`: a kind that others might one day
//! define in `spire.spiffe.io` can't collide with it, and a role on one group says nothing of the other.

mod cluster_federated_trust_domain;
mod cluster_spiffe_id;
mod cluster_static_entry;
mod workload_identity;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

pub use cluster_federated_trust_domain::{
    BundleEndpointProfile, BundleEndpointProfileType, ClusterFederatedTrustDomain, ClusterFederatedTrustDomainSpec,
    ClusterFederatedTrustDomainStatus,
};
pub use cluster_spiffe_id::{ClusterSpiffeId, ClusterSpiffeIdSpec, ClusterSpiffeIdStats, ClusterSpiffeIdStatus};
pub use cluster_static_entry::{ClusterStaticEntry, ClusterStaticEntrySpec, ClusterStaticEntryStatus};
pub use workload_identity::{WorkloadIdentity, WorkloadIdentitySpec, WorkloadIdentityStats, WorkloadIdentityStatus};

/// The definitions of all custom resources, in order of their names.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![ClusterFederatedTrustDomain::crd(), ClusterSpiffeId::crd(), ClusterStaticEntry::crd(), WorkloadIdentity::crd()]
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_are_those_of_existing_objects() {
        let object = serde_json::json!({
            "apiVersion": "spire.spiffe.io/v1alpha1",
            "kind": "ClusterSPIFFEID",
            "metadata": {"name": "a"},
            "spec": {
                "spiffeIDTemplate": "spiffe://a/b",
                "ttl": "1h",
                "jwtTtl": "5m",
                "dnsNameTemplates": ["a"],
                "workloadSelectorTemplates": ["k8s:a:b"],
                "federatesWith": ["b"],
                "namespaceSelector": {"matchLabels": {"a": "b"}},
                "podSelector": {"matchLabels": {"a": "b"}},
                "admin": true,
                "downstream": true,
                "autoPopulateDNSNames": true,
                "className": "c",
                "fallback": true,
                "hint": "h",
            },
        });
        let read: ClusterSpiffeId = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), object);
        let entry = serde_json::json!({
            "apiVersion": "spire.spiffe.io/v1alpha1",
            "kind": "ClusterStaticEntry",
            "metadata": {"name": "a"},
            "spec": {
                "spiffeID": "spiffe://a/b",
                "parentID": "spiffe://a/c",
                "selectors": ["a:b"],
                "federatesWith": ["b"],
                "x509SVIDTTL": "1h",
                "jwtSVIDTTL": "5m",
                "dnsNames": ["a"],
                "hint": "h",
                "admin": true,
                "downstream": true,
                "storeSVID": true,
                "className": "c",
            },
        });
        let read: ClusterStaticEntry = serde_json::from_value(entry.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), entry);
        let federated = serde_json::json!({
            "apiVersion": "spire.spiffe.io/v1alpha1",
            "kind": "ClusterFederatedTrustDomain",
            "metadata": {"name": "a"},
            "spec": {
                "trustDomain": "b",
                "bundleEndpointURL": "https://b/",
                "bundleEndpointProfile": {"type": "https_spiffe", "endpointSPIFFEID": "spiffe://b/c"},
                "trustDomainBundle": "{}",
                "className": "c",
            },
        });
        let read: ClusterFederatedTrustDomain = serde_json::from_value(federated.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), federated);
    }

    #[test]
    fn definitions_have_schemas_without_what_an_api_server_refuses() {
        for definition in definitions() {
            let json = serde_json::to_value(&definition).unwrap();
            let schema = &json["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            assert!(schema["properties"]["spec"]["properties"].is_object(), "{}", json["metadata"]["name"]);
            let text = json.to_string();
            assert!(!text.contains("\"$ref\"") && !text.contains("\"format\":\"uint"), "{text}");
        }
    }
}
