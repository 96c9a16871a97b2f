//! The configuration file as it is written.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Every key of the file; absent ones are the zero value of Go, as spire-controller-manager reads them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ControllerManagerFile {
    pub(super) api_version: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) cluster_name: Option<String>,
    pub(super) cluster_domain: Option<String>,
    pub(super) trust_domain: Option<String>,
    pub(super) ignore_namespaces: Option<Vec<String>>,
    pub(super) validating_webhook_configuration_name: Option<String>,
    pub(super) gc_interval: Option<GoDuration>,
    pub(super) spire_server_socket_path: Option<String>,
    pub(super) log_level: Option<String>,
    pub(super) log_encoding: Option<String>,
    pub(super) grpc: Option<Grpc>,
    pub(super) class_name: Option<String>,
    pub(super) watch_classless: Option<bool>,
    #[serde(rename = "parentIDTemplate")]
    pub(super) parent_id_template: Option<String>,
    pub(super) reconcile: Option<Reconcile>,
    #[serde(rename = "entryIDPrefix")]
    pub(super) entry_id_prefix: Option<String>,
    #[serde(rename = "entryIDPrefixCleanup")]
    pub(super) entry_id_prefix_cleanup: Option<String>,
    pub(super) static_manifest_path: Option<String>,
    pub(super) expand_env_static_manifests: Option<bool>,
    pub(super) enable_entry_render_cache: Option<bool>,
    pub(super) entry_render_cache_size: Option<i64>,
    pub(super) sync_period: Option<GoDuration>,
    pub(super) leader_election: Option<LeaderElection>,
    pub(super) cache_namespace: Option<String>,
    pub(super) cache_namespaces: Option<BTreeMap<String, Option<CacheNamespace>>>,
    #[serde(rename = "gracefulShutDown")]
    pub(super) graceful_shut_down: Option<GoDuration>,
    pub(super) controller: Option<Controller>,
    pub(super) metrics: Option<Metrics>,
    pub(super) health: Option<Health>,
    pub(super) webhook: Option<Webhook>,
}

/// A duration: a text such as `10s`, or nanoseconds, as Go's JSON writes one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum GoDuration {
    Nanoseconds(#[serde(deserialize_with = "whole")] i64),
    Text(String),
}

/// A whole number, however it is written: helm renders ten seconds as `1e+10`, which Go's YAML takes.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    /// From here on not every whole number is a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = serde_json::Number::deserialize(deserializer)?;
    let of_float = || {
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < EXACT)?;
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small enough")]
        Some(float as i64)
    };
    number.as_i64().or_else(of_float).ok_or_else(|| D::Error::custom(format!("{number} is not a whole number")))
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Grpc {
    pub(super) max_call_recv_msg_size: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the file's own keys")]
pub(super) struct Reconcile {
    #[serde(rename = "clusterSPIFFEIDs")]
    pub(super) cluster_spiffe_ids: Option<bool>,
    #[serde(rename = "clusterFederatedTrustDomains")]
    pub(super) cluster_federated_trust_domains: Option<bool>,
    #[serde(rename = "clusterStaticEntries")]
    pub(super) cluster_static_entries: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LeaderElection {
    pub(super) leader_elect: Option<bool>,
    pub(super) lease_duration: Option<GoDuration>,
    pub(super) renew_deadline: Option<GoDuration>,
    pub(super) retry_period: Option<GoDuration>,
    pub(super) resource_lock: Option<String>,
    pub(super) resource_name: Option<String>,
    pub(super) resource_namespace: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CacheNamespace {
    pub(super) label_selectors: Option<BTreeMap<String, String>>,
    pub(super) field_selectors: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Controller {
    pub(super) group_kind_concurrency: Option<BTreeMap<String, i64>>,
    pub(super) cache_sync_timeout: Option<GoDuration>,
    pub(super) recover_panic: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metrics {
    pub(super) bind_address: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_field_names, reason = "the file's own keys")]
pub(super) struct Health {
    pub(super) health_probe_bind_address: Option<String>,
    pub(super) readiness_endpoint_name: Option<String>,
    pub(super) liveness_endpoint_name: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Webhook {
    pub(super) port: Option<i64>,
    pub(super) host: Option<String>,
    pub(super) cert_dir: Option<String>,
}

/// Keys of the file, blocks with a dot; `*` stands for any name.
const KEYS: &[&str] = &[
    "apiVersion",
    "kind",
    // Written by every chart, read by none.
    "metadata.*",
    "clusterName",
    "clusterDomain",
    "trustDomain",
    "ignoreNamespaces",
    "validatingWebhookConfigurationName",
    "gcInterval",
    "spireServerSocketPath",
    "logLevel",
    "logEncoding",
    "grpc.maxCallRecvMsgSize",
    "className",
    "watchClassless",
    "parentIDTemplate",
    "reconcile.clusterSPIFFEIDs",
    "reconcile.clusterFederatedTrustDomains",
    "reconcile.clusterStaticEntries",
    "entryIDPrefix",
    "entryIDPrefixCleanup",
    "staticManifestPath",
    "expandEnvStaticManifests",
    "enableEntryRenderCache",
    "entryRenderCacheSize",
    "syncPeriod",
    "leaderElection.leaderElect",
    "leaderElection.leaseDuration",
    "leaderElection.renewDeadline",
    "leaderElection.retryPeriod",
    "leaderElection.resourceLock",
    "leaderElection.resourceName",
    "leaderElection.resourceNamespace",
    "cacheNamespace",
    "cacheNamespaces.*",
    "gracefulShutDown",
    "controller.groupKindConcurrency",
    "controller.cacheSyncTimeout",
    "controller.recoverPanic",
    "metrics.bindAddress",
    "health.healthProbeBindAddress",
    "health.readinessEndpointName",
    "health.livenessEndpointName",
    "webhook.port",
    "webhook.host",
    "webhook.certDir",
];

/// Names the keys of `file` that nobody knows, such as `health.bindAddress`.
pub(super) fn unknown_keys(file: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    for (key, value) in file.as_object().into_iter().flatten() {
        let block = format!("{key}.");
        let inner: Vec<&str> = KEYS.iter().filter_map(|known| known.strip_prefix(&block)).collect();
        if KEYS.contains(&key.as_str()) || inner.contains(&"*") {
            continue;
        }
        if inner.is_empty() {
            unknown.push(key.clone());
            continue;
        }
        let named = value.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        unknown.extend(named.filter(|name| !inner.contains(name)).map(|name| format!("{key}.{name}")));
    }
    unknown
}
