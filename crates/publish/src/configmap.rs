//! BundlePublisher `k8s_configmap`: the bundle under a key of a ConfigMap.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ObjectMeta, Patch, PatchParams};
use steeple_k8s::{ApiServer, Permission, Scope, said};
use steeple_types::Bundle;
use tracing::debug;

use crate::{Destination, Format, K8sPublisher};

/// Name of the plugin.
pub const NAME: &str = "k8s_configmap";
/// Who owns the key, as server-side apply calls it. It is SPIRE's, so that either can go on where the other stopped.
const MANAGER: &str = "spire-bundlepublisher-k8s_configmap";

/// What the plugin asks of an API server, for the ConfigMap that the manifests make.
///
/// Where there is no such ConfigMap it is made, which takes `create` too.
pub const PERMISSIONS: &[Permission] = &[Permission {
    group: "",
    resource: "configmaps",
    names: &["steeple-bundle"],
    verbs: &["patch"],
    scope: Scope::OwnNamespace,
    reason: "BundlePublisher k8s_configmap puts the bundle there",
}];

/// A publisher into ConfigMaps.
pub type K8sConfigMap = K8sPublisher<BundleConfigMap>;

/// A ConfigMap for the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleConfigMap {
    /// The form of the bundle (`format`).
    pub format: Format,
    /// Namespace of the ConfigMap (`namespace`).
    pub namespace: String,
    /// Name of the ConfigMap (`configmap_name`).
    pub name: String,
    /// Key under which the bundle stands (`configmap_key`).
    pub key: String,
    /// Where the API server is (`kubeconfig_path`).
    pub api_server: ApiServer,
    /// How often readers should refresh, in seconds, in place of what the bundle says (`refresh_hint`).
    pub refresh_hint: Option<i64>,
}

#[async_trait]
impl Destination for BundleConfigMap {
    const NAME: &str = NAME;

    fn api_server(&self) -> &ApiServer {
        &self.api_server
    }

    async fn put(&self, cluster: &str, bundle: &Bundle) -> Result<(), String> {
        let mut bundle = bundle.clone();
        bundle.refresh_hint = self.refresh_hint.unwrap_or(bundle.refresh_hint);
        let text = self
            .format
            .of(&bundle)
            .map_err(|error| format!("could not format bundle when publishing to cluster {cluster:?}: {error}"))?;
        self.apply(text)
            .await
            .map_err(|error| format!("failed to apply ConfigMap for cluster {cluster:?}: {error}"))?;
        debug!(
            cluster_id = cluster,
            configmap = self.name,
            external = false,
            format = self.format.name(),
            key = self.key,
            kubeconfig_path = self.api_server.kubeconfig_path(),
            namespace = self.namespace,
            plugin_name = NAME,
            plugin_type = "BundlePublisher",
            subsystem_name = "catalog",
            "Bundle published to Kubernetes ConfigMap"
        );
        Ok(())
    }
}

impl BundleConfigMap {
    async fn apply(&self, text: String) -> Result<(), String> {
        let client = self.api_server.connect().await.map_err(|error| error.to_string())?;
        let (name, namespace) = (Some(self.name.clone()), Some(self.namespace.clone()));
        let wanted = ConfigMap {
            metadata: ObjectMeta { name, namespace, ..ObjectMeta::default() },
            data: Some(BTreeMap::from([(self.key.clone(), text)])),
            ..ConfigMap::default()
        };
        let api = Api::<ConfigMap>::namespaced(client, &self.namespace);
        // A key that somebody else keeps is theirs: no force.
        let applied = api.patch(&self.name, &PatchParams::apply(MANAGER), &Patch::Apply(&wanted)).await;
        applied.map(drop).map_err(|error| said(&error))
    }
}
