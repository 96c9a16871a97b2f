//! Notifier `k8sbundle`: the X.509 authorities in a ConfigMap, and in the webhooks and API services that bear a label, so that
//! the API server trusts those that have SVIDs as their certificates.

mod carrier;
mod follow;
#[cfg(test)]
mod tests;
mod update;

use async_trait::async_trait;
use futures::future::join_all;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use steeple_clock::Clock;
use steeple_k8s::{ApiServer, Permission, Scope};
use steeple_plugin::{ErrorClass, IdentityProvider, Notifier, PluginError};
use steeple_runtime::Shutdown;

/// Name of the plugin.
pub const NAME: &str = "k8sbundle";

/// What the plugin asks of an API server when no label is configured, for the ConfigMap that the manifests make.
pub const PERMISSIONS: &[Permission] = &[Permission {
    group: "",
    resource: "configmaps",
    names: &["steeple-bundle"],
    verbs: &["get", "patch"],
    scope: Scope::OwnNamespace,
    reason: "Notifier k8sbundle puts the bundle there",
}];

/// What it asks besides with `webhook_label`.
pub const WEBHOOK_PERMISSIONS: &[Permission] = &[
    cluster_wide("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    cluster_wide("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
];

/// What it asks besides with `api_service_label`.
pub const API_SERVICE_PERMISSIONS: &[Permission] = &[cluster_wide("apiregistration.k8s.io", "apiservices")];

const fn cluster_wide(group: &'static str, resource: &'static str) -> Permission {
    Permission {
        group,
        resource,
        names: &[],
        verbs: &["get", "list", "patch", "watch"],
        scope: Scope::Cluster,
        reason: "Notifier k8sbundle puts the bundle into those that bear its label",
    }
}

/// What of a cluster carries the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleCluster {
    /// Namespace of the ConfigMap (`namespace`).
    pub namespace: String,
    /// Name of the ConfigMap (`config_map`).
    pub config_map: String,
    /// Key under which the certificates stand (`config_map_key`).
    pub config_map_key: String,
    /// Label whose value `true` marks webhooks (`webhook_label`).
    pub webhook_label: Option<String>,
    /// Label whose value `true` marks API services (`api_service_label`).
    pub api_service_label: Option<String>,
    /// Where the API server is (`kube_config_file_path`).
    pub api_server: ApiServer,
}

impl BundleCluster {
    /// Namespace when none is configured.
    pub const DEFAULT_NAMESPACE: &str = "spire";
    /// ConfigMap when none is configured.
    pub const DEFAULT_CONFIG_MAP: &str = "spire-bundle";
    /// Key when none is configured.
    pub const DEFAULT_CONFIG_MAP_KEY: &str = "bundle.crt";
}

/// The notifier.
pub struct K8sBundle {
    clusters: Vec<BundleCluster>,
    clock: Clock,
}

impl K8sBundle {
    /// A notifier for `clusters`.
    pub fn new(clusters: Vec<BundleCluster>, clock: Clock) -> Self {
        Self { clusters, clock }
    }

    async fn update_all(&self, identity: &dyn IdentityProvider) -> Result<(), PluginError> {
        // All at once: a cluster that does not answer keeps nobody else waiting.
        let updates = self.clusters.iter().map(|cluster| update::cluster(cluster, identity));
        let failures: Vec<String> = join_all(updates).await.into_iter().flatten().collect();
        if failures.is_empty() {
            return Ok(());
        }
        let message = format!("unable to update: {}", failures.join(", "));
        Err(PluginError::new("notifier", NAME, ErrorClass::Internal, message))
    }
}

#[async_trait]
impl Notifier for K8sBundle {
    fn name(&self) -> &str {
        NAME
    }

    async fn bundle_loaded(&self, identity: &dyn IdentityProvider) -> Result<(), PluginError> {
        self.update_all(identity).await
    }

    async fn bundle_updated(&self, identity: &dyn IdentityProvider) -> Result<(), PluginError> {
        self.update_all(identity).await
    }

    async fn follow(&self, identity: &dyn IdentityProvider, shutdown: &Shutdown) {
        let clusters = self.clusters.iter().map(|cluster| async move {
            let with = follow::With { api_server: &cluster.api_server, identity, clock: &self.clock, shutdown };
            let (webhooks, services) = (cluster.webhook_label.as_deref(), cluster.api_service_label.as_deref());
            futures::join!(
                follow::labelled::<MutatingWebhookConfiguration>(webhooks, &with),
                follow::labelled::<ValidatingWebhookConfiguration>(webhooks, &with),
                follow::labelled::<APIService>(services, &with),
            )
        });
        join_all(clusters).await;
    }
}
