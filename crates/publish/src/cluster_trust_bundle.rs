//! BundlePublisher `k8s_cluster_trust_bundle`: the X.509 authorities as a ClusterTrustBundle, which pods mount by a
//! projected volume and need no ConfigMap of their namespace for.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use k8s_openapi::api::certificates::v1::{ClusterTrustBundle, ClusterTrustBundleSpec};
use kube::api::{Api, ObjectMeta, Patch, PatchParams};
use steeple_crypto::pem;
use steeple_k8s::{ApiServer, Permission, Scope, said};
use steeple_types::Bundle;
use tracing::debug;

use crate::{Destination, K8sPublisher};

/// Name of the plugin.
pub const NAME: &str = "k8s_cluster_trust_bundle";
/// Who owns the fields, as server-side apply calls it.
const MANAGER: &str = "steeple-bundlepublisher-k8s_cluster_trust_bundle";

/// What the plugin asks of an API server; with a signer, `attest` of that signer too.
pub const PERMISSIONS: &[Permission] = &[Permission {
    group: "certificates.k8s.io",
    resource: "clustertrustbundles",
    names: &[],
    verbs: &["create", "patch"],
    scope: Scope::Cluster,
    reason: "BundlePublisher k8s_cluster_trust_bundle puts the bundle there",
}];

/// A publisher into ClusterTrustBundles.
pub type K8sClusterTrustBundle = K8sPublisher<BundleClusterTrustBundle>;

/// A ClusterTrustBundle for the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleClusterTrustBundle {
    name: String,
    signer_name: Option<String>,
    api_server: ApiServer,
}

/// Why a ClusterTrustBundle can't have a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// With a signer the name begins with it.
    #[error("name {name:?} must begin with {prefix:?}, since signer_name is {signer_name:?}")]
    Prefix {
        /// The name.
        name: String,
        /// What it must begin with.
        prefix: String,
        /// The signer.
        signer_name: String,
    },
    /// Without a signer the name has no colon, behind which names of signers end.
    #[error("name {0:?} must not contain a colon, since there is no signer_name")]
    Colon(String),
    /// A signer's name has a domain and a path.
    #[error("signer_name {0:?} must be of the form DOMAIN/PATH, such as \"example.org/spiffe\"")]
    Signer(String),
}

impl BundleClusterTrustBundle {
    /// A ClusterTrustBundle of this `name`, of a signer if one is named (`name`, `signer_name`, `kubeconfig_path`).
    ///
    /// # Errors
    /// [`NameError`] where an API server would refuse it, as the API reference says of the field `signerName`.
    pub fn new(name: &str, signer_name: Option<&str>, api_server: ApiServer) -> Result<Self, NameError> {
        match signer_name {
            None if name.contains(':') => return Err(NameError::Colon(name.to_owned())),
            None => {}
            Some(signer) => {
                let has_both = |(domain, path): (&str, &str)| !domain.is_empty() && !path.is_empty();
                if !signer.split_once('/').is_some_and(has_both) {
                    return Err(NameError::Signer(signer.to_owned()));
                }
                let prefix = format!("{}:", signer.replace('/', ":"));
                if name.strip_prefix(&prefix).is_none_or(str::is_empty) {
                    return Err(NameError::Prefix { name: name.to_owned(), prefix, signer_name: signer.to_owned() });
                }
            }
        }
        Ok(Self { name: name.to_owned(), signer_name: signer_name.map(str::to_owned), api_server })
    }

    async fn apply(&self, trust_bundle: String) -> Result<(), String> {
        let client = self.api_server.connect().await.map_err(|error| error.to_string())?;
        let wanted = ClusterTrustBundle {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            spec: ClusterTrustBundleSpec { signer_name: self.signer_name.clone(), trust_bundle },
        };
        let api = Api::<ClusterTrustBundle>::all(client);
        let applied = api.patch(&self.name, &PatchParams::apply(MANAGER), &Patch::Apply(&wanted)).await;
        applied.map(drop).map_err(|error| said(&error))
    }
}

#[async_trait]
impl Destination for BundleClusterTrustBundle {
    const NAME: &str = NAME;

    fn api_server(&self) -> &ApiServer {
        &self.api_server
    }

    async fn put(&self, cluster: &str, bundle: &Bundle) -> Result<(), String> {
        let failed = |reason: &str| format!("failed to apply ClusterTrustBundle for cluster {cluster:?}: {reason}");
        let anchors = trust_anchors(bundle);
        if anchors.is_empty() {
            return Err(failed("the bundle has no X.509 authorities, and a ClusterTrustBundle can't be empty"));
        }
        self.apply(anchors).await.map_err(|error| failed(&error))?;
        debug!(
            cluster_id = cluster,
            clustertrustbundle = self.name,
            external = false,
            kubeconfig_path = self.api_server.kubeconfig_path(),
            plugin_name = NAME,
            plugin_type = "BundlePublisher",
            subsystem_name = "catalog",
            "Bundle published to Kubernetes ClusterTrustBundle"
        );
        Ok(())
    }
}

/// The certificates, PEM, each once: an API server refuses duplicates.
fn trust_anchors(bundle: &Bundle) -> String {
    let mut seen: Vec<&[u8]> = Vec::new();
    for authority in &bundle.x509_authorities {
        if !seen.contains(&authority.certificate.as_slice()) {
            seen.push(&authority.certificate);
        }
    }
    seen.into_iter().map(|certificate| pem::encode("CERTIFICATE", certificate)).collect()
}
