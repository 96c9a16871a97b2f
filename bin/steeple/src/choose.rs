//! The one place that names concrete implementations: which plugin a name of the configuration stands for.

mod k8s;
mod publish;
mod upstream;

pub(crate) use publish::{bundle_publishers, check_bundle_publishers, notifiers};
pub(crate) use upstream::{check_upstream_authority, upstream_authority};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use steeple_clock::Clock;
use steeple_config::{Block, DecodeError, NotYet, PluginBlock, WINDOWS, parse_duration, refuse_not_yet};
use steeple_crypto::pem;
use steeple_keys::{DiskKeys, MemoryKeys};
use steeple_node_attest::join_token::{JoinTokenAgent, JoinTokenServer};
use steeple_node_attest::x509pop::{Trust, X509PopAgent, X509PopAgentConfig, X509PopServer, X509PopServerConfig};
use steeple_plugin::{AgentNodeAttestor, KeyManager, NodeAttestor, WorkloadAttestor};
use steeple_store_sql::SqlConfig;
use steeple_types::TrustDomain;
use steeple_workload_attest::docker::{Docker, DockerConfig};
use steeple_workload_attest::k8s::K8s;
use steeple_workload_attest::systemd::Systemd;
use steeple_workload_attest::unix::{Unix, UnixConfig};

/// Why a plugin of the configuration can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChooseError {
    /// There is no such type of plugin.
    #[error("unsupported plugin type {0:?}")]
    UnknownType(String),
    /// There is no such plugin.
    #[error("failed to load plugin {name:?}: no built-in plugin {name:?} for type {kind:?}")]
    Unknown {
        /// Type.
        kind: String,
        /// Name.
        name: String,
    },
    /// It comes with a later version.
    #[error("plugin {kind:?}/{name:?} is not available yet")]
    NotYet {
        /// Type.
        kind: String,
        /// Name.
        name: String,
    },
    /// It is for another system.
    #[error("plugin {kind:?}/{name:?} is for Windows, which steeple does not run on: remove it")]
    Windows {
        /// Type.
        kind: String,
        /// Name.
        name: String,
    },
    /// There are too many or too few of a type.
    #[error("{0}")]
    Count(String),
    /// Its configuration is of no use.
    #[error("{message}")]
    Invalid {
        /// Type.
        kind: String,
        /// Name.
        name: String,
        /// What is wrong.
        message: String,
    },
}

/// Plugins that SPIRE has and that come later here.
const LATER: &[(&str, &[&str])] = &[
    ("KeyManager", &["aws_kms", "gcp_kms", "azure_key_vault", "hashicorp_vault"]),
    ("NodeAttestor", &["aws_iid", "azure_imds", "azure_msi", "gcp_iit", "http_challenge", "sshpop", "tpm_devid"]),
    ("UpstreamAuthority", &["vault", "aws_pca", "awssecret", "gcp_cas", "ejbca"]),
    ("CredentialComposer", &["uniqueid"]),
    ("Notifier", &["gcs_bundle"]),
    ("BundlePublisher", &["aws_s3", "azure_blob", "gcp_cloudstorage", "aws_rolesanywhere_trustanchor"]),
    ("WorkloadAttestor", &["slurm"]),
    ("SVIDStore", &["aws_secretsmanager", "gcp_secretmanager"]),
];

const fn key(key: &'static str, default: &'static str, feature: &'static str) -> NotYet {
    NotYet { key, default, feature }
}

/// Keys of plugins that are there, for what comes later.
const LATER_KEYS: &[(&str, &str, &[NotYet])] = &[
    ("DataStore", "sql", &[key("log_sql", "false", "statements in the log")]),
    (
        "NodeAttestor",
        "x509pop",
        &[
            key("mode", "external_pki", "attestation by SVIDs of another agent"),
            key("spiffe_prefix", "", "attestation by SVIDs of another agent"),
            key("svid_prefix", "", "attestation by SVIDs of another agent"),
            key("spiffe_endpoint_socket", "", "attestation by SVIDs of another agent"),
            key("agent_path_template", "", "templates for agents' IDs"),
        ],
    ),
    (
        "WorkloadAttestor",
        "docker",
        &[
            key("sigstore", "", "signatures of images"),
            key("container_id_cgroup_matchers", "", "other ways to find a container"),
            key("use_new_container_locator", "true", "other ways to find a container"),
            key("docker_host", "", WINDOWS),
        ],
    ),
    (
        "WorkloadAttestor",
        "k8s",
        &[
            key("sigstore", "", "signatures of images"),
            key("experimental.sigstore", "", "signatures of images"),
            key("experimental.broker", "", "the Broker API"),
        ],
    ),
];

/// Refuses keys of `plugins` that ask for what is not there yet.
fn check_keys(plugins: &[PluginBlock]) -> Result<(), ChooseError> {
    for plugin in plugins {
        let later = LATER_KEYS.iter().find(|(kind, name, _)| *kind == plugin.kind && *name == plugin.name);
        let keys = later.map_or(&[][..], |(_, _, keys)| keys);
        refuse_not_yet(&Block::of(&plugin.data), "plugin_data", keys)
            .map_err(|error| invalid(plugin, error.to_string()))?;
    }
    Ok(())
}

fn unknown(plugin: &PluginBlock) -> ChooseError {
    let (kind, name) = (plugin.kind.clone(), plugin.name.clone());
    if (kind.as_str(), name.as_str()) == ("WorkloadAttestor", "windows") {
        return ChooseError::Windows { kind, name };
    }
    match LATER.iter().find(|(known, _)| *known == kind) {
        Some((_, names)) if names.contains(&name.as_str()) => ChooseError::NotYet { kind, name },
        Some(_) => ChooseError::Unknown { kind, name },
        None => ChooseError::UnknownType(kind),
    }
}

fn invalid(plugin: &PluginBlock, message: impl Into<String>) -> ChooseError {
    ChooseError::Invalid { kind: plugin.kind.clone(), name: plugin.name.clone(), message: message.into() }
}

fn undecodable(plugin: &PluginBlock, error: &DecodeError) -> ChooseError {
    invalid(plugin, format!("unable to decode configuration: {error}"))
}

/// The text of a setting of a plugin; empty when it is not there.
fn text(plugin: &PluginBlock, key: &str) -> Result<String, ChooseError> {
    let found = Block::of(&plugin.data).text(key);
    found.map(Option::unwrap_or_default).map_err(|error| undecodable(plugin, &error))
}

fn flag(plugin: &PluginBlock, key: &str, default: bool) -> Result<bool, ChooseError> {
    let found = Block::of(&plugin.data).bool(key);
    found.map(|value| value.unwrap_or(default)).map_err(|error| undecodable(plugin, &error))
}

fn number(plugin: &PluginBlock, key: &str, default: i64) -> Result<i64, ChooseError> {
    let found = Block::of(&plugin.data).int(key);
    found.map(|value| value.unwrap_or(default)).map_err(|error| undecodable(plugin, &error))
}

fn of_kind<'a>(plugins: &'a [PluginBlock], kind: &'a str) -> impl Iterator<Item = &'a PluginBlock> {
    plugins.iter().filter(move |plugin| plugin.kind == kind)
}

fn exactly_one<'a>(plugins: &'a [PluginBlock], kind: &'a str) -> Result<&'a PluginBlock, ChooseError> {
    let mut found = of_kind(plugins, kind);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(ChooseError::Count(format!(
            "plugin type {kind:?} constraint not satisfied: expected exactly 1 but got 0"
        ))),
        (Some(_), Some(_)) => {
            let count = of_kind(plugins, kind).count();
            Err(ChooseError::Count(format!(
                "plugin type {kind:?} constraint not satisfied: expected exactly 1 but got {count}"
            )))
        }
    }
}

/// Refuses plugins of types that `kinds` does not name, and keys that ask for what is not there yet.
pub(crate) fn check_kinds(plugins: &[PluginBlock], kinds: &[&str]) -> Result<(), ChooseError> {
    match plugins.iter().find(|plugin| !kinds.contains(&plugin.kind.as_str())) {
        Some(plugin) => Err(unknown(plugin)),
        None => check_keys(plugins),
    }
}

/// Refuses what would run and be of no use, as `validate` does in SPIRE.
pub(crate) fn check_use(plugins: &[PluginBlock]) -> Result<(), ChooseError> {
    for plugin in of_kind(plugins, "NodeAttestor").filter(|plugin| plugin.name == "k8s_psat") {
        if k8s::psat_clusters(plugin)?.is_empty() {
            return Err(invalid(plugin, "No clusters configured, PSAT attestation is effectively disabled"));
        }
    }
    Ok(())
}

/// The datastore of a server.
pub(crate) fn datastore(plugins: &[PluginBlock]) -> Result<SqlConfig, ChooseError> {
    let plugin = exactly_one(plugins, "DataStore")?;
    if plugin.name != "sql" {
        return Err(unknown(plugin));
    }
    let data = Block::of(&plugin.data);
    let config = SqlConfig {
        // A block instead of a name (`aws_postgres { … }`) is a type of its own.
        database_type: match data.blocks("database_type").first() {
            Some(block) => block
                .to_object()
                .items
                .first()
                .and_then(|item| item.keys.last())
                .map(|key| key.text.clone())
                .unwrap_or_default(),
            None => text(plugin, "database_type")?,
        },
        connection_string: text(plugin, "connection_string")?,
        ro_connection_string: text(plugin, "ro_connection_string")?,
        root_ca_path: text(plugin, "root_ca_path")?,
        client_cert_path: text(plugin, "client_cert_path")?,
        client_key_path: text(plugin, "client_key_path")?,
        max_open_conns: Some(number(plugin, "max_open_conns", 100)?),
        max_idle_conns: Some(number(plugin, "max_idle_conns", 100)?),
        conn_max_lifetime: lifetime(plugin)?,
        disable_migration: flag(plugin, "disable_migration", false)?,
    };
    config.validate().map_err(|error| invalid(plugin, error.to_string()))?;
    Ok(config)
}

/// How long a connection to a database is used.
fn lifetime(plugin: &PluginBlock) -> Result<Option<Duration>, ChooseError> {
    let text = text(plugin, "conn_max_lifetime")?;
    if text.is_empty() {
        return Ok(None);
    }
    parse_duration(&text)
        .map(Some)
        .map_err(|error| invalid(plugin, format!("datastore-sql: failed to parse conn_max_lifetime {text:?}: {error}")))
}

/// The key manager of a server.
pub(crate) fn server_keys(plugins: &[PluginBlock]) -> Result<Arc<dyn KeyManager>, ChooseError> {
    let plugin = exactly_one(plugins, "KeyManager")?;
    match plugin.name.as_str() {
        "memory" => Ok(Arc::new(MemoryKeys::default())),
        "disk" => disk_keys(plugin, PathBuf::from(text(plugin, "keys_path")?), "keys_path"),
        _ => Err(unknown(plugin)),
    }
}

/// The key manager of an agent.
pub(crate) fn agent_keys(plugins: &[PluginBlock]) -> Result<Arc<dyn KeyManager>, ChooseError> {
    let plugin = exactly_one(plugins, "KeyManager")?;
    match plugin.name.as_str() {
        "memory" => Ok(Arc::new(MemoryKeys::default())),
        "disk" => {
            let directory = PathBuf::from(text(plugin, "directory")?);
            if !directory.as_os_str().is_empty() {
                use std::os::unix::fs::DirBuilderExt;
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
                made.map_err(|error| invalid(plugin, format!("failed to create {}: {error}", directory.display())))?;
            }
            let path = if directory.as_os_str().is_empty() { directory } else { directory.join("keys.json") };
            disk_keys(plugin, path, "directory")
        }
        _ => Err(unknown(plugin)),
    }
}

fn disk_keys(plugin: &PluginBlock, path: PathBuf, key: &str) -> Result<Arc<dyn KeyManager>, ChooseError> {
    if path.as_os_str().is_empty() {
        return Err(invalid(plugin, format!("{key} is required")));
    }
    Ok(Arc::new(DiskKeys::open(path).map_err(|error| invalid(plugin, error.message))?))
}

/// The node attestors of a server.
pub(crate) fn server_attestors(
    plugins: &[PluginBlock],
    trust_domain: &TrustDomain,
    clock: &Clock,
) -> Result<Vec<Arc<dyn NodeAttestor>>, ChooseError> {
    let mut attestors: Vec<Arc<dyn NodeAttestor>> = Vec::new();
    for plugin in of_kind(plugins, "NodeAttestor") {
        attestors.push(match plugin.name.as_str() {
            "join_token" => Arc::new(JoinTokenServer),
            "x509pop" => Arc::new(x509pop_server(plugin, trust_domain, clock)?),
            "k8s_psat" => Arc::new(k8s::psat_server(plugin)?),
            _ => return Err(unknown(plugin)),
        });
    }
    Ok(attestors)
}

fn x509pop_server(
    plugin: &PluginBlock,
    trust_domain: &TrustDomain,
    clock: &Clock,
) -> Result<X509PopServer, ChooseError> {
    let (one, many) = (text(plugin, "ca_bundle_path")?, Block::of(&plugin.data).texts("ca_bundle_paths"));
    let mut paths = many.map_err(|error| invalid(plugin, error.to_string()))?.unwrap_or_default();
    match (one.is_empty(), paths.is_empty()) {
        (false, false) => {
            return Err(invalid(plugin, "only one of ca_bundle_path or ca_bundle_paths can be configured, not both"));
        }
        (true, true) => return Err(invalid(plugin, "one of ca_bundle_path or ca_bundle_paths must be configured")),
        (false, true) => paths.push(one),
        (true, false) => {}
    }
    let mut authorities = Vec::new();
    for path in paths {
        let unreadable = |reason: String| invalid(plugin, format!("unable to load trust bundle {path:?}: {reason}"));
        let read = std::fs::read_to_string(&path);
        let read = read.map_err(|error| unreadable(format!("open {path}: {}", steeple_client::os_text(&error))))?;
        let found = pem::certificates(&read).map_err(|error| unreadable(error.to_string()))?;
        if found.is_empty() {
            return Err(unreadable("no certificates found in file".to_owned()));
        }
        authorities.extend(found);
    }
    let positive = |key: &str, default: i64| {
        let value = usize::try_from(number(plugin, key, default)?).ok().filter(|value| *value > 0);
        value.ok_or_else(|| invalid(plugin, format!("{key} must be greater than 0")))
    };
    let config = X509PopServerConfig {
        trust_domain: trust_domain.clone(),
        trust: Trust::ExternalPki(authorities),
        max_intermediates: positive("max_intermediates", 4)?,
        max_rsa_key_size: positive("max_rsa_key_size", 8192)?,
        verify_client_ip: flag(plugin, "verify_client_ip", false)?,
    };
    Ok(X509PopServer::new(config, clock.clone()))
}

/// The node attestor of an agent.
pub(crate) fn agent_attestor(
    plugins: &[PluginBlock],
    join_token: String,
) -> Result<Arc<dyn AgentNodeAttestor>, ChooseError> {
    // A token outweighs what the file says, as in SPIRE.
    if !join_token.is_empty() {
        return Ok(Arc::new(JoinTokenAgent::new(join_token)));
    }
    let plugin = exactly_one(plugins, "NodeAttestor")?;
    match plugin.name.as_str() {
        "join_token" => Ok(Arc::new(JoinTokenAgent::new(String::new()))),
        "k8s_psat" => Ok(Arc::new(k8s::psat_agent(plugin)?)),
        "x509pop" => {
            let path = |key: &str| {
                let path = text(plugin, key)?;
                if path.is_empty() {
                    Err(invalid(plugin, format!("{key} is required")))
                } else {
                    Ok(PathBuf::from(path))
                }
            };
            let intermediates = text(plugin, "intermediates_path")?;
            let config = X509PopAgentConfig {
                private_key_path: path("private_key_path")?,
                certificate_path: path("certificate_path")?,
                intermediates_path: (!intermediates.is_empty()).then(|| PathBuf::from(intermediates)),
            };
            Ok(Arc::new(X509PopAgent::new(config).map_err(|error| invalid(plugin, error.message))?))
        }
        _ => Err(unknown(plugin)),
    }
}

/// The workload attestors of an agent.
pub(crate) fn workload_attestors(
    plugins: &[PluginBlock],
    variables: &BTreeMap<String, String>,
    clock: &Clock,
) -> Result<Vec<Arc<dyn WorkloadAttestor>>, ChooseError> {
    let proc_root = variables.get("HOST_PROC").filter(|path| !path.is_empty()).map(PathBuf::from);
    let mut attestors: Vec<Arc<dyn WorkloadAttestor>> = Vec::new();
    for plugin in of_kind(plugins, "WorkloadAttestor") {
        attestors.push(match plugin.name.as_str() {
            "unix" => {
                let mut config = UnixConfig {
                    discover_workload_path: flag(plugin, "discover_workload_path", false)?,
                    workload_size_limit: number(plugin, "workload_size_limit", 0)?,
                    ..UnixConfig::default()
                };
                config.proc_root = proc_root.clone().unwrap_or(config.proc_root);
                Arc::new(Unix::new(config))
            }
            "docker" => Arc::new(docker(plugin, clock)?),
            "k8s" => Arc::new(K8s::new(k8s::workload(plugin, variables)?, clock.clone())),
            "systemd" => Arc::new(Systemd::new()),
            _ => return Err(unknown(plugin)),
        });
    }
    if attestors.is_empty() {
        let message = "plugin type \"WorkloadAttestor\" constraint not satisfied: expected at least 1 but got 0";
        return Err(ChooseError::Count(message.to_owned()));
    }
    Ok(attestors)
}

fn docker(plugin: &PluginBlock, clock: &Clock) -> Result<Docker, ChooseError> {
    let default = DockerConfig::default();
    let or = |key: &str, default: String| text(plugin, key).map(|value| if value.is_empty() { default } else { value });
    let version = text(plugin, "docker_version")?;
    let config = DockerConfig {
        docker_socket_path: or("docker_socket_path", default.docker_socket_path)?,
        docker_version: (!version.is_empty()).then_some(version),
        podman_socket_path: or("podman_socket_path", default.podman_socket_path)?,
        podman_socket_path_template: or("podman_socket_path_template", default.podman_socket_path_template)?,
        root: default.root,
    };
    Docker::new(config, clock.clone()).map_err(|error| invalid(plugin, error.message))
}

#[cfg(test)]
#[path = "choose/tests.rs"]
mod tests;
