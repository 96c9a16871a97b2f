//! Bundle publishers and notifiers.

use std::collections::BTreeMap;
use std::sync::Arc;

use steeple_clock::Clock;
use steeple_config::{Block, DecodeError, PluginBlock, parse_duration};
use steeple_k8s::ApiServer;
use steeple_plugin::{BundlePublisher, Notifier};
use steeple_publish::Format;
use steeple_publish::cluster_trust_bundle::{self, BundleClusterTrustBundle, K8sClusterTrustBundle};
use steeple_publish::configmap::{self, BundleConfigMap, K8sConfigMap};
use steeple_publish::k8sbundle::{self, BundleCluster, K8sBundle};

use super::{ChooseError, invalid, of_kind, undecodable, unknown};

/// The bundle publishers of a server.
pub(crate) async fn bundle_publishers(plugins: &[PluginBlock]) -> Result<Vec<Arc<dyn BundlePublisher>>, ChooseError> {
    let mut publishers: Vec<Arc<dyn BundlePublisher>> = Vec::new();
    for plugin in of_kind(plugins, "BundlePublisher") {
        let unusable = |error: steeple_plugin::PluginError| invalid(plugin, error.message);
        publishers.push(match plugin.name.as_str() {
            configmap::NAME => Arc::new(K8sConfigMap::new(config_maps(plugin)?).await.map_err(unusable)?),
            cluster_trust_bundle::NAME => {
                Arc::new(K8sClusterTrustBundle::new(trust_bundles(plugin)?).await.map_err(unusable)?)
            }
            _ => return Err(unknown(plugin)),
        });
    }
    Ok(publishers)
}

/// Refuses bundle publishers that can't be, without a look at the clusters.
pub(crate) fn check_bundle_publishers(plugins: &[PluginBlock]) -> Result<(), ChooseError> {
    for plugin in of_kind(plugins, "BundlePublisher") {
        match plugin.name.as_str() {
            configmap::NAME => drop(config_maps(plugin)?),
            cluster_trust_bundle::NAME => drop(trust_bundles(plugin)?),
            _ => return Err(unknown(plugin)),
        }
    }
    Ok(())
}

/// The notifiers of a server.
pub(crate) fn notifiers(plugins: &[PluginBlock], clock: &Clock) -> Result<Vec<Arc<dyn Notifier>>, ChooseError> {
    let mut notifiers: Vec<Arc<dyn Notifier>> = Vec::new();
    for plugin in of_kind(plugins, "Notifier") {
        notifiers.push(match plugin.name.as_str() {
            k8sbundle::NAME => Arc::new(K8sBundle::new(bundle_clusters(plugin)?, clock.clone())),
            _ => return Err(unknown(plugin)),
        });
    }
    Ok(notifiers)
}

/// The ConfigMaps of `k8s_configmap` by their clusters' names.
pub(super) fn config_maps(plugin: &PluginBlock) -> Result<BTreeMap<String, BundleConfigMap>, ChooseError> {
    let mut all = BTreeMap::new();
    for (id, block) in Block::of(&plugin.data).labelled("clusters").map_err(|error| undecodable(plugin, &error))? {
        all.insert(id.to_owned(), config_map(plugin, id, &block)?);
    }
    Ok(all)
}

fn config_map(plugin: &PluginBlock, id: &str, block: &Block<'_>) -> Result<BundleConfigMap, ChooseError> {
    let text = |key: &str| {
        let found = block.text(key).map_err(|error| undecodable(plugin, &error));
        found.map(Option::unwrap_or_default)
    };
    let needed = |key: &str, what: &str| {
        let text = text(key)?;
        if text.is_empty() { Err(invalid(plugin, format!("missing {what} in cluster {id:?}"))) } else { Ok(text) }
    };
    let format = needed("format", "bundle format")?;
    let (namespace, name) = (needed("namespace", "namespace")?, needed("configmap_name", "configmap name")?);
    let key = needed("configmap_key", "configmap key")?;
    let format = format
        .parse::<Format>()
        .map_err(|error| invalid(plugin, format!("could not parse bundle format from cluster {id:?}: {error}")))?;
    let hint = text("refresh_hint")?;
    let refresh_hint = if hint.is_empty() { None } else { Some(seconds(plugin, id, &hint)?) };
    let api_server = ApiServer::named(&text("kubeconfig_path")?);
    Ok(BundleConfigMap {
        format,
        namespace,
        name,
        key,
        api_server,
        refresh_hint: refresh_hint.filter(|hint| *hint != 0),
    })
}

fn seconds(plugin: &PluginBlock, id: &str, hint: &str) -> Result<i64, ChooseError> {
    let parsed = parse_duration(hint).map_err(|error| {
        let reason = format!("could not parse refresh hint {hint:?}: {error}");
        invalid(plugin, format!("could not parse refresh_hint from cluster {id:?}: {reason}"))
    })?;
    Ok(i64::try_from(parsed.as_secs()).unwrap_or(i64::MAX))
}

/// The ClusterTrustBundles of `k8s_cluster_trust_bundle` by their clusters' names.
pub(super) fn trust_bundles(plugin: &PluginBlock) -> Result<BTreeMap<String, BundleClusterTrustBundle>, ChooseError> {
    let mut all = BTreeMap::new();
    for (id, block) in Block::of(&plugin.data).labelled("clusters").map_err(|error| undecodable(plugin, &error))? {
        let text = |key: &str| {
            let found = block.text(key).map_err(|error| undecodable(plugin, &error));
            found.map(Option::unwrap_or_default)
        };
        let (name, signer) = (text("name")?, text("signer_name")?);
        if name.is_empty() {
            return Err(invalid(plugin, format!("missing name in cluster {id:?}")));
        }
        let signer = Some(signer.as_str()).filter(|signer| !signer.is_empty());
        let api_server = ApiServer::named(&text("kubeconfig_path")?);
        let made = BundleClusterTrustBundle::new(&name, signer, api_server);
        let made = made.map_err(|error| invalid(plugin, format!("{error}, in cluster {id:?}")))?;
        all.insert(id.to_owned(), made);
    }
    Ok(all)
}

/// The clusters of `k8sbundle`: that of the keys at its root if there are any or no list, then those of the list.
pub(super) fn bundle_clusters(plugin: &PluginBlock) -> Result<Vec<BundleCluster>, ChooseError> {
    const KEYS: [&str; 6] =
        ["namespace", "config_map", "config_map_key", "webhook_label", "api_service_label", "kube_config_file_path"];
    let root = Block::of(&plugin.data);
    let malformed = |_: DecodeError| invalid(plugin, "plugin configuration is malformed");
    let read = |block: &Block<'_>| {
        let text = |key: &str| block.text(key).map(|found| found.filter(|text| !text.is_empty()));
        let or = |key: &str, default: &str| text(key).map(|found| found.unwrap_or_else(|| default.to_owned()));
        Ok(BundleCluster {
            namespace: or("namespace", BundleCluster::DEFAULT_NAMESPACE)?,
            config_map: or("config_map", BundleCluster::DEFAULT_CONFIG_MAP)?,
            config_map_key: or("config_map_key", BundleCluster::DEFAULT_CONFIG_MAP_KEY)?,
            webhook_label: text("webhook_label")?,
            api_service_label: text("api_service_label")?,
            api_server: ApiServer::named(&text("kube_config_file_path")?.unwrap_or_default()),
        })
    };
    let blocks = root.blocks("clusters");
    let mut clusters = Vec::new();
    let mut is_set = false;
    for key in KEYS {
        is_set |= root.text(key).map_err(malformed)?.is_some_and(|text| !text.is_empty());
    }
    if is_set || blocks.is_empty() {
        clusters.push(read(&root).map_err(malformed)?);
    }
    for block in &blocks {
        let cluster = read(block).map_err(malformed)?;
        if cluster.api_server == ApiServer::InCluster {
            return Err(invalid(plugin, "cluster configuration is missing kube_config_file_path"));
        }
        clusters.push(cluster);
    }
    Ok(clusters)
}
