//! Plugins for Kubernetes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use steeple_config::{Block, PluginBlock};
use steeple_k8s::ApiServer;
use steeple_node_attest::k8s_psat::{K8sPsatAgent, K8sPsatAgentConfig, K8sPsatCluster, K8sPsatServer};

use super::{ChooseError, invalid, text};

/// The agent's half of `k8s_psat`.
pub(super) fn psat_agent(plugin: &PluginBlock) -> Result<K8sPsatAgent, ChooseError> {
    let token_path = text(plugin, "token_path")?;
    let config = K8sPsatAgentConfig {
        cluster: text(plugin, "cluster")?,
        token_path: PathBuf::from(if token_path.is_empty() {
            K8sPsatAgentConfig::DEFAULT_TOKEN_PATH.to_owned()
        } else {
            token_path
        }),
    };
    K8sPsatAgent::new(config).map_err(|error| invalid(plugin, error.message))
}

/// The server's half of `k8s_psat`. Without clusters it is there and lets nobody in, as in SPIRE.
pub(super) fn psat_server(plugin: &PluginBlock) -> Result<K8sPsatServer, ChooseError> {
    K8sPsatServer::new(psat_clusters(plugin)?).map_err(|error| invalid(plugin, error.message))
}

/// The clusters of `k8s_psat`, by their names.
pub(super) fn psat_clusters(plugin: &PluginBlock) -> Result<BTreeMap<String, K8sPsatCluster>, ChooseError> {
    let mut clusters = BTreeMap::new();
    for (name, block) in Block::of(&plugin.data).labelled("clusters") {
        clusters.insert(name.to_owned(), psat_cluster(plugin, &block)?);
    }
    Ok(clusters)
}

fn psat_cluster(plugin: &PluginBlock, block: &Block<'_>) -> Result<K8sPsatCluster, ChooseError> {
    let malformed = |_| invalid(plugin, "plugin configuration is malformed");
    let texts = |key: &str| block.texts(key).map_err(malformed);
    let set = |key: &str| texts(key).map(|list| list.unwrap_or_default().into_iter().collect::<BTreeSet<_>>());
    Ok(K8sPsatCluster {
        service_accounts: set("service_account_allow_list")?,
        audiences: texts("audience")?.unwrap_or_else(|| vec![K8sPsatCluster::DEFAULT_AUDIENCE.to_owned()]),
        api_server: ApiServer::named(&block.text("kube_config_file").map_err(malformed)?.unwrap_or_default()),
        node_labels: set("allowed_node_label_keys")?,
        pod_labels: set("allowed_pod_label_keys")?,
        use_pod_uid_for_agent_id: block.bool("use_pod_uid_for_agent_id").map_err(malformed)?.unwrap_or_default(),
    })
}
