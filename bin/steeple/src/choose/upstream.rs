//! Upstream authorities.

use std::path::PathBuf;
use std::sync::Arc;

use steeple_clock::Clock;
use steeple_config::{Block, PluginBlock};
use steeple_crypto::tls::KeyExchange;
use steeple_k8s::ApiServer;
use steeple_plugin::UpstreamAuthority;
use steeple_types::TrustDomain;
use steeple_upstream::cert_manager::{self, CertManager, CertManagerConfig};
use steeple_upstream::{DiskAuthority, DiskAuthorityConfig, SpireAuthority, SpireAuthorityConfig};

use super::{ChooseError, invalid, of_kind, text, unknown};

/// The upstream authority of a server, if it has one.
pub(crate) async fn upstream_authority(
    plugins: &[PluginBlock],
    trust_domain: &TrustDomain,
    clock: &Clock,
) -> Result<Option<Arc<dyn UpstreamAuthority>>, ChooseError> {
    let Some(plugin) = at_most_one(plugins)? else { return Ok(None) };
    let (trust_domain, clock) = (trust_domain.clone(), clock.clone());
    Ok(Some(match plugin.name.as_str() {
        "disk" => Arc::new(disk(plugin, &trust_domain, &clock)?),
        "spire" => Arc::new(SpireAuthority::new(&spire(plugin)?, trust_domain, clock)),
        cert_manager::NAME => {
            let made = CertManager::new(cert_manager(plugin)?, trust_domain, clock).await;
            Arc::new(made.map_err(|error| invalid(plugin, error.message))?)
        }
        _ => return Err(unknown(plugin)),
    }))
}

/// Refuses an upstream authority that can't be, without a look at a cluster.
pub(crate) fn check_upstream_authority(
    plugins: &[PluginBlock],
    trust_domain: &TrustDomain,
    clock: &Clock,
) -> Result<(), ChooseError> {
    let Some(plugin) = at_most_one(plugins)? else { return Ok(()) };
    match plugin.name.as_str() {
        "disk" => disk(plugin, trust_domain, clock).map(drop),
        "spire" => spire(plugin).map(drop),
        cert_manager::NAME => cert_manager(plugin).map(drop),
        _ => Err(unknown(plugin)),
    }
}

fn at_most_one(plugins: &[PluginBlock]) -> Result<Option<&PluginBlock>, ChooseError> {
    let mut found = of_kind(plugins, "UpstreamAuthority");
    let first = found.next();
    if found.next().is_some() {
        let message = "plugin type \"UpstreamAuthority\" constraint not satisfied: expected at most 1";
        return Err(ChooseError::Count(message.to_owned()));
    }
    Ok(first)
}

fn disk(plugin: &PluginBlock, trust_domain: &TrustDomain, clock: &Clock) -> Result<DiskAuthority, ChooseError> {
    let bundle = text(plugin, "bundle_file_path")?;
    let config = DiskAuthorityConfig {
        cert_file_path: PathBuf::from(text(plugin, "cert_file_path")?),
        key_file_path: PathBuf::from(text(plugin, "key_file_path")?),
        bundle_file_path: (!bundle.is_empty()).then(|| PathBuf::from(bundle)),
    };
    let authority = DiskAuthority::new(config, trust_domain.clone(), clock.clone());
    authority.map_err(|error| invalid(plugin, error.message))
}

/// What `spire` is told.
pub(super) fn spire(plugin: &PluginBlock) -> Result<SpireAuthorityConfig, ChooseError> {
    let malformed = |_| invalid(plugin, "plugin configuration is malformed");
    let data = Block::of(&plugin.data);
    let required = |key: &str| match data.text(key).map_err(malformed)? {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(invalid(plugin, format!("{key} is required"))),
    };
    let (server_address, port) = (required("server_address")?, required("server_port")?);
    let server_port = port.parse().map_err(|_| invalid(plugin, format!("server_port {port:?} is not a port")))?;
    let experimental = data.block("experimental").map_err(malformed)?.unwrap_or_default();
    let pipe = experimental.text("workload_api_named_pipe_name").map_err(malformed)?;
    if pipe.is_some_and(|pipe| !pipe.is_empty()) {
        let message = "configuration: workload_api_named_pipe_name is not supported on this platform; please use \
                       workload_api_socket instead";
        return Err(invalid(plugin, message));
    }
    let workload_api_socket = PathBuf::from(required("workload_api_socket")?);
    let key_exchange = KeyExchange::of_demand(experimental.bool("require_pq_kem").map_err(malformed)?.unwrap_or(false));
    Ok(SpireAuthorityConfig { server_address, server_port, workload_api_socket, key_exchange })
}

/// What `cert-manager` is told.
pub(super) fn cert_manager(plugin: &PluginBlock) -> Result<CertManagerConfig, ChooseError> {
    let malformed = |_| invalid(plugin, "plugin configuration is malformed");
    let data = Block::of(&plugin.data);
    let text = |key: &str| data.text(key).map_err(malformed).map(Option::unwrap_or_default);
    let or =
        |key: &str, default: &str| text(key).map(|value| if value.is_empty() { default.to_owned() } else { value });
    let config = CertManagerConfig {
        issuer_name: text("issuer_name")?,
        issuer_kind: or("issuer_kind", CertManagerConfig::DEFAULT_ISSUER_KIND)?,
        issuer_group: or("issuer_group", CertManagerConfig::DEFAULT_ISSUER_GROUP)?,
        namespace: text("namespace")?,
        api_server: ApiServer::named(&text("kube_config_file")?),
    };
    for (key, value) in [("namespace", &config.namespace), ("issuer_name", &config.issuer_name)] {
        if value.is_empty() {
            return Err(invalid(plugin, format!("plugin configuration has empty {key} property")));
        }
    }
    Ok(config)
}
