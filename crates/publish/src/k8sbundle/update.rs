//! Puts the bundle into objects: read, then ask for the bundle, then write, and again when somebody else was faster.

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use steeple_k8s::said;
use steeple_plugin::IdentityProvider;

use super::BundleCluster;
use super::carrier::Carrier;
use crate::format::certificates;

/// How often a change is tried when others are in its way.
const ATTEMPTS: usize = 5;

/// Updates all of a cluster that carries the bundle, and tells what could not be updated.
pub(super) async fn cluster(cluster: &BundleCluster, identity: &dyn IdentityProvider) -> Vec<String> {
    let client = match cluster.api_server.connect().await {
        Ok(client) => client,
        Err(error) => return vec![error.to_string()],
    };
    let mut failures = Vec::new();
    failures.extend(config_map(cluster, &client, identity).await.err());
    if let Some(label) = &cluster.webhook_label {
        failures.extend(labelled::<MutatingWebhookConfiguration>(label, &client, identity).await);
        failures.extend(labelled::<ValidatingWebhookConfiguration>(label, &client, identity).await);
    }
    if let Some(label) = &cluster.api_service_label {
        failures.extend(labelled::<APIService>(label, &client, identity).await);
    }
    failures
}

/// What chooses the objects that bear a label.
pub(super) fn selector(label: &str) -> String {
    format!("{label}=true")
}

async fn labelled<K: Carrier>(label: &str, client: &Client, identity: &dyn IdentityProvider) -> Vec<String> {
    let api = Api::<K>::all(client.clone());
    let found = match api.list(&ListParams::default().labels(&selector(label))).await {
        Ok(found) => found,
        Err(error) => return vec![format!("unable to get list: {}", said(&error))],
    };
    let mut failures = Vec::new();
    for object in found {
        let name = object.name_any();
        failures.extend(carrier(&api, object, identity).await.err().map(|error| format!("{name}: {error}")));
    }
    failures
}

/// Puts the bundle into an object as it was read; tells whether anything had to change.
pub(super) async fn carrier<K: Carrier>(
    api: &Api<K>,
    mut object: K,
    identity: &dyn IdentityProvider,
) -> Result<bool, String> {
    let name = object.name_any();
    for attempt in 1.. {
        let bundle = identity.bundle().await.map_err(|error| error.to_string())?;
        let Some(patch) = object.patch(&certificates(&bundle)) else { return Ok(false) };
        let patch = Patch::Strategic(at_version(patch, object.resource_version().as_deref()));
        match api.patch(&name, &PatchParams::default(), &patch).await {
            Ok(_) => return Ok(true),
            Err(error) if is_conflict(&error) && attempt < ATTEMPTS => {}
            Err(error) => return Err(said(&error)),
        }
        let again = api.get(&name).await;
        object = again.map_err(|error| format!("unable to get object {name}: {}", said(&error)))?;
    }
    Ok(false)
}

async fn config_map(cluster: &BundleCluster, client: &Client, identity: &dyn IdentityProvider) -> Result<(), String> {
    let api = Api::<ConfigMap>::namespaced(client.clone(), &cluster.namespace);
    let (name, key) = (&cluster.config_map, &cluster.config_map_key);
    for attempt in 1.. {
        let found = api.get(name).await.map_err(|error| format!("unable to get list: {}", said(&error)))?;
        let bundle = identity.bundle().await.map_err(|error| error.to_string())?;
        let wanted = certificates(&bundle);
        if found.data.as_ref().and_then(|data| data.get(key)) == Some(&wanted) {
            return Ok(());
        }
        let patch = Patch::Strategic(at_version(json!({"data": {key: wanted}}), found.resource_version().as_deref()));
        match api.patch(name, &PatchParams::default(), &patch).await {
            Ok(_) => return Ok(()),
            Err(error) if is_conflict(&error) && attempt < ATTEMPTS => {}
            Err(error) => return Err(format!("{}/{name}: {}", cluster.namespace, said(&error))),
        }
    }
    Ok(())
}

/// The patch, which holds for this version of the object alone.
fn at_version(mut patch: Value, version: Option<&str>) -> Value {
    if let Some(fields) = patch.as_object_mut() {
        fields.insert("metadata".to_owned(), json!({"resourceVersion": version}));
    }
    patch
}

/// Whether somebody else changed the object meanwhile.
fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}
