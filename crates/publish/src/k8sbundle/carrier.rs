//! Objects that carry the bundle, and how it is put into each.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Resource;
use kube::core::ClusterResourceScope;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// An object of the cluster that carries certificates for calls that the API server makes.
pub(super) trait Carrier:
    Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + std::fmt::Debug + DeserializeOwned + Send + Sync
{
    /// The strategic merge patch, without metadata, that puts `certificates` (PEM) there; none when they are there.
    fn patch(&self, certificates: &str) -> Option<Value>;
}

impl Carrier for MutatingWebhookConfiguration {
    fn patch(&self, certificates: &str) -> Option<Value> {
        let webhooks = self.webhooks.iter().flatten();
        of_webhooks(webhooks.map(|webhook| (&webhook.name, &webhook.client_config.ca_bundle)), certificates)
    }
}

impl Carrier for ValidatingWebhookConfiguration {
    fn patch(&self, certificates: &str) -> Option<Value> {
        let webhooks = self.webhooks.iter().flatten();
        of_webhooks(webhooks.map(|webhook| (&webhook.name, &webhook.client_config.ca_bundle)), certificates)
    }
}

/// Webhooks are merged by their names.
fn of_webhooks<'a>(
    webhooks: impl Iterator<Item = (&'a String, &'a Option<ByteString>)>,
    certificates: &str,
) -> Option<Value> {
    let wanted = Some(ByteString(certificates.as_bytes().to_vec()));
    let others = webhooks.filter(|(_, carried)| **carried != wanted);
    let patches: Vec<Value> =
        others.map(|(name, _)| json!({"name": name, "clientConfig": {"caBundle": wanted}})).collect();
    (!patches.is_empty()).then(|| json!({"webhooks": patches}))
}

impl Carrier for APIService {
    fn patch(&self, certificates: &str) -> Option<Value> {
        let wanted = Some(ByteString(certificates.as_bytes().to_vec()));
        let carried = self.spec.as_ref().and_then(|spec| spec.ca_bundle.clone());
        (carried != wanted).then(|| json!({"spec": {"caBundle": wanted}}))
    }
}
