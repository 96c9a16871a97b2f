//! Plugins for Kubernetes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use steeple_config::{Block, PluginBlock, parse_duration};
use steeple_k8s::ApiServer;
use steeple_k8s::kubelet::{Credentials, Kubelet, Port, Verification};
use steeple_node_attest::k8s_psat::{K8sPsatAgent, K8sPsatAgentConfig, K8sPsatCluster, K8sPsatServer};
use steeple_workload_attest::k8s::{K8sConfig, Locator, PodWatch};

use super::{ChooseError, flag, invalid, number, text, undecodable};

/// Where a pod finds its service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What the environment of a pod has.
const IN_CLUSTER: &str = "KUBERNETES_SERVICE_HOST";
/// The kubelet's secure port.
const SECURE_PORT: i64 = 10250;

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
    for (name, block) in Block::of(&plugin.data).labelled("clusters").map_err(|error| undecodable(plugin, &error))? {
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

/// What the workload attestor `k8s` is told; `variables` are those of the environment.
pub(super) fn workload(plugin: &PluginBlock, variables: &BTreeMap<String, String>) -> Result<K8sConfig, ChooseError> {
    let attempts = number(plugin, "max_poll_attempts", 0)?;
    let pause = duration(plugin, "poll_retry_interval", "poll retry interval")?;
    // Files are read each time, so this has no effect; it is checked all the same.
    duration(plugin, "reload_interval", "reload interval")?;
    let port = kubelet_port(plugin)?;
    let without_kubelet = flag(plugin, "disable_kubelet_client", false)?;
    if without_kubelet {
        refuse_kubelet_keys(plugin)?;
    }
    check_cache(plugin)?;
    let variable = text(plugin, "node_name_env")?;
    let variable = if variable.is_empty() { "MY_NODE_NAME" } else { variable.as_str() };
    let configured = text(plugin, "node_name")?;
    let node_name = if configured.is_empty() { variables.get(variable).cloned() } else { Some(configured) };
    let node_name = node_name.filter(|name| !name.is_empty());
    let api_server = ApiServer::named(&text(plugin, "kube_config_file")?);
    // Pods are watched where an API server is known to be. What the kubelet is called by may be an address.
    let is_known = api_server != ApiServer::InCluster || variables.contains_key(IN_CLUSTER);
    let named = node_name.clone().filter(|name| name.parse::<std::net::IpAddr>().is_err());
    let is_watched = is_known && (named.is_some() || !without_kubelet);
    Ok(K8sConfig {
        root: PathBuf::from("/"),
        locator: Locator {
            legacy: !flag(plugin, "use_new_container_locator", true)?,
            verbose: flag(plugin, "verbose_container_locator_logs", false)?,
        },
        kubelet: (!without_kubelet).then_some(Kubelet { node_name, port }),
        watch: is_watched.then(|| PodWatch { api_server: api_server.clone(), node_name: named }),
        namespace_labels: flag(plugin, "enable_namespace_labels", false)?.then_some(api_server),
        max_poll_attempts: u32::try_from(attempts).ok().filter(|attempts| *attempts > 0).unwrap_or(60),
        poll_retry_interval: pause.unwrap_or(Duration::from_millis(500)),
        disable_container_selectors: flag(plugin, "disable_container_selectors", false)?,
    })
}

/// Settings of a kubelet that is not asked are a mistake.
fn refuse_kubelet_keys(plugin: &PluginBlock) -> Result<(), ChooseError> {
    const NUMBERS: &[&str] = &["kubelet_read_only_port", "kubelet_secure_port"];
    const FLAGS: &[&str] = &["skip_kubelet_verification", "use_anonymous_authentication"];
    const TEXTS: &[&str] = &[
        "kubelet_ca_path",
        "token_path",
        "certificate_path",
        "private_key_path",
        "node_name_env",
        "node_name",
        "reload_interval",
    ];
    let refused = |key: &&str| invalid(plugin, format!("disable_kubelet_client cannot be used with {key}"));
    for key in NUMBERS {
        if number(plugin, key, 0)? > 0 {
            return Err(refused(key));
        }
    }
    for key in FLAGS {
        if flag(plugin, key, false)? {
            return Err(refused(key));
        }
    }
    for key in TEXTS {
        if !text(plugin, key)?.is_empty() {
            return Err(refused(key));
        }
    }
    Ok(())
}

/// Whether labels of namespaces are cached; they always are, so this has no effect. It is checked all the same.
fn check_cache(plugin: &PluginBlock) -> Result<(), ChooseError> {
    let check = || {
        let mut block = Block::of(&plugin.data);
        for key in ["experimental", "api_server", "cache"] {
            block = block.block(key)?.unwrap_or_default();
        }
        block.bool("enabled").map(drop)
    };
    check().map_err(|error| undecodable(plugin, &error))
}

fn duration(plugin: &PluginBlock, key: &str, what: &str) -> Result<Option<Duration>, ChooseError> {
    let written = text(plugin, key)?;
    if written.is_empty() {
        return Ok(None);
    }
    let parsed = parse_duration(&written);
    let parsed = parsed.map_err(|error| invalid(plugin, format!("unable to parse {what}: {error}")))?;
    Ok(Some(parsed).filter(|duration| !duration.is_zero()))
}

fn kubelet_port(plugin: &PluginBlock) -> Result<Port, ChooseError> {
    let (read_only, secure) = (number(plugin, "kubelet_read_only_port", 0)?, number(plugin, "kubelet_secure_port", 0)?);
    let port = |key: &str, value: i64| {
        u16::try_from(value).map_err(|_| invalid(plugin, format!("{key} {value} is not a port")))
    };
    match (read_only > 0, secure > 0) {
        (true, true) => Err(invalid(plugin, "cannot use both the read-only and secure port")),
        (true, false) => Ok(Port::ReadOnly(port("kubelet_read_only_port", read_only)?)),
        (false, given) => Ok(Port::Secure {
            port: port("kubelet_secure_port", if given { secure } else { SECURE_PORT })?,
            verification: verification(plugin)?,
            credentials: credentials(plugin)?,
        }),
    }
}

fn verification(plugin: &PluginBlock) -> Result<Verification, ChooseError> {
    let authorities = path_or(plugin, "kubelet_ca_path", "ca.crt")?;
    let skip = flag(plugin, "skip_kubelet_verification", false)?;
    Ok(if skip { Verification::Skip } else { Verification::Authorities(authorities) })
}

fn credentials(plugin: &PluginBlock) -> Result<Credentials, ChooseError> {
    let (certificate, key) = (text(plugin, "certificate_path")?, text(plugin, "private_key_path")?);
    let token = path_or(plugin, "token_path", "token")?;
    if flag(plugin, "use_anonymous_authentication", false)? {
        return Ok(Credentials::Anonymous);
    }
    match (certificate.is_empty(), key.is_empty()) {
        (true, true) => Ok(Credentials::Token(token)),
        (false, false) => Ok(Credentials::Certificate { certificate: certificate.into(), key: key.into() }),
        (false, true) => Err(invalid(plugin, "the private key path is required with the certificate path")),
        (true, false) => Err(invalid(plugin, "the certificate path is required with the private key path")),
    }
}

fn path_or(plugin: &PluginBlock, key: &str, name: &str) -> Result<PathBuf, ChooseError> {
    let path = text(plugin, key)?;
    Ok(if path.is_empty() { Path::new(SERVICE_ACCOUNT).join(name) } else { PathBuf::from(path) })
}
