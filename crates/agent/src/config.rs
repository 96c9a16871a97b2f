//! The agent's configuration: SPIRE's file and flags, read and checked.

mod bootstrap;
mod experimental;
mod keys;

use std::path::PathBuf;
use std::time::Duration;

use steeple_config::{
    Block, ConfigError, Flags, LogSettings, LookUp, PluginBlock, Section, TELEMETRY_NOT_YET, invalid, parse_duration,
    read_health, read_plugins, read_prometheus, refuse_not_yet,
};
use steeple_crypto::keys::KeyType;
use steeple_explain::Redact;
use steeple_types::TrustDomain;

use crate::settings::{SdsNames, Settings};

pub use keys::NOT_YET;

const MINIMUM_AVAILABILITY_TARGET: Duration = Duration::from_hours(24);

/// An agent's configuration, checked.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// What the agent does.
    pub settings: Settings,
    /// How the agent logs.
    pub log: LogSettings,
    /// The join token, if one was given.
    pub join_token: String,
    /// The plugins in the order of the file.
    pub plugins: Vec<PluginBlock>,
    /// What the operator should know of.
    pub warnings: Vec<String>,
}

/// Reads the file at `path`, with variables of the environment replaced if `env` is given, and lays `flags` over it.
///
/// # Errors
/// [`ConfigError`] of the first thing that is not in order.
pub fn load(path: &str, env: Option<&LookUp<'_>>, flags: &Flags, version: &str) -> Result<AgentConfig, ConfigError> {
    steeple_config::load(path, env, "agent", |root, block| {
        Reader { agent: Section { block, flags } }.config(root, version)
    })
}

struct Reader<'a> {
    agent: Section<'a>,
}

impl Reader<'_> {
    fn port(&self) -> Result<u16, ConfigError> {
        let port = self.agent.int("server_port")?.unwrap_or_default();
        match u16::try_from(port) {
            Ok(0) => Err(invalid("server_port must be configured")),
            Ok(port) => Ok(port),
            Err(_) => Err(invalid(format!("server_port {port} is not a port"))),
        }
    }

    fn config(&self, root: &Block<'_>, version: &str) -> Result<AgentConfig, ConfigError> {
        let log = self.agent.log()?;
        keys::check_unknown(root, &self.agent.block)?;
        refuse_not_yet(&self.agent.block, "agent", NOT_YET)?;
        refuse_not_yet(&root.block("telemetry")?.unwrap_or_default(), "telemetry", TELEMETRY_NOT_YET)?;
        let server_address =
            self.agent.text("server_address")?.ok_or_else(|| invalid("server_address must be configured"))?;
        let server_port = self.port()?;
        let trust_domain =
            self.agent.text("trust_domain")?.ok_or_else(|| invalid("trust_domain must be configured"))?;
        let trust_domain = TrustDomain::parse(&trust_domain)
            .map_err(|error| invalid(format!("could not parse trust_domain {trust_domain:?}: {error}")))?;
        let bootstrap = self.bootstrap()?;
        let rebootstrap = self.rebootstrap(&bootstrap)?;
        if root.block("plugins")?.is_none() {
            return Err(invalid("plugins section must be configured"));
        }
        let settings = Settings {
            data_dir: PathBuf::from(self.agent.text("data_dir")?.unwrap_or_else(|| ".".to_owned())),
            socket_path: PathBuf::from(
                self.agent.text("socket_path")?.unwrap_or_else(|| "/tmp/spire-agent/public/api.sock".to_owned()),
            ),
            admin_socket_path: self.admin_socket_path()?,
            workload_key_type: self.workload_key_type()?,
            sync_interval: self.sync_interval()?,
            availability_target: self.availability_target()?,
            x509_svid_cache_max_size: self.cache_size("x509_svid_cache_max_size")?,
            jwt_svid_cache_max_size: self.cache_size("jwt_svid_cache_max_size")?,
            jwt_svid_cache_hit_timeout: self.jwt_svid_cache_hit_timeout()?,
            workload_limits: self.workload_limits()?,
            log_selectors: self.agent.block.texts("log_selectors")?.unwrap_or_default(),
            explain_redact: explain_redact(root)?,
            key_exchange: self.key_exchange()?,
            allow_unauthenticated_verifiers: self.agent.bool("allow_unauthenticated_verifiers")?,
            allowed_foreign_jwt_claims: self.agent.block.texts("allowed_foreign_jwt_claims")?.unwrap_or_default(),
            workload_api: !self.agent.bool("disable_workload_api")?,
            sds_api: !self.agent.bool("disable_sds_api")?,
            sds: self.sds()?,
            health: read_health(root)?,
            prometheus: read_prometheus(root)?,
            pod_sockets: pod_sockets(root)?,
            version: version.to_owned(),
            trust_domain,
            server_address,
            server_port,
            bootstrap,
            rebootstrap,
        };
        let (join_token, plugins, warnings) = (self.join_token()?, read_plugins(root)?, self.warnings()?);
        Ok(AgentConfig { settings, log, join_token, plugins, warnings })
    }

    fn join_token(&self) -> Result<String, ConfigError> {
        let (token, file) = (self.agent.text("join_token")?, self.agent.text("join_token_file")?);
        match (token, file) {
            (Some(_), Some(_)) => Err(invalid("only one of join_token or join_token_file can be specified, not both")),
            (Some(token), None) => Ok(token),
            (None, Some(path)) => {
                let read = std::fs::read_to_string(&path).map_err(|error| {
                    let reason = steeple_client::os_text(&error);
                    invalid(format!("unable to read join token file {path:?}: open {path}: {reason}"))
                })?;
                match read.trim() {
                    "" => Err(invalid("join token file is empty")),
                    token => Ok(token.to_owned()),
                }
            }
            (None, None) => Ok(String::new()),
        }
    }

    fn admin_socket_path(&self) -> Result<Option<PathBuf>, ConfigError> {
        let Some(path) = self.agent.block.text("admin_socket_path")?.filter(|path| !path.is_empty()).map(PathBuf::from)
        else {
            return Ok(None);
        };
        let public = self.agent.text("socket_path")?.unwrap_or_else(|| "/tmp/spire-agent/public/api.sock".to_owned());
        let folder = PathBuf::from(public).parent().map(PathBuf::from).unwrap_or_default();
        if path.starts_with(folder) {
            return Err(invalid(
                "admin socket cannot be in the same directory or a subdirectory as that containing the Workload API socket",
            ));
        }
        Ok(Some(path))
    }

    fn workload_key_type(&self) -> Result<KeyType, ConfigError> {
        let Some(name) = self.agent.text("workload_x509_svid_key_type")? else { return Ok(KeyType::EcP256) };
        let known = [KeyType::Rsa2048, KeyType::EcP256, KeyType::EcP384];
        KeyType::from_name(&name.to_lowercase()).filter(|kind| known.contains(kind)).ok_or_else(|| {
            invalid(format!("key type {name:?} is unknown; must be one of [rsa-2048, ec-p256, ec-p384]"))
        })
    }

    /// The least time for which SVIDs are good, as SPIRE bounds it.
    fn availability_target(&self) -> Result<Option<Duration>, ConfigError> {
        let Some(text) = self.agent.text("availability_target")? else { return Ok(None) };
        let target =
            parse_duration(&text).map_err(|error| invalid(format!("unable to parse availability_target: {error}")))?;
        if target < MINIMUM_AVAILABILITY_TARGET {
            return Err(invalid("availability_target must be at least 24h0m0s"));
        }
        Ok(Some(target))
    }

    fn cache_size(&self, key: &str) -> Result<usize, ConfigError> {
        match self.agent.block.int(key)? {
            None | Some(0) => Ok(1_000),
            Some(size) => usize::try_from(size).map_err(|_| invalid(format!("{key} should not be negative"))),
        }
    }

    fn sds(&self) -> Result<SdsNames, ConfigError> {
        let block = self.agent.block.block("sds")?.unwrap_or_default();
        let default = SdsNames::default();
        let name = |key: &str, default: String| {
            let name = block.text(key)?.filter(|name| !name.is_empty());
            Ok::<_, ConfigError>(name.unwrap_or(default))
        };
        Ok(SdsNames {
            default_svid_name: name("default_svid_name", default.default_svid_name)?,
            default_bundle_name: name("default_bundle_name", default.default_bundle_name)?,
            default_all_bundles_name: name("default_all_bundles_name", default.default_all_bundles_name)?,
            disable_spiffe_cert_validation: block.bool("disable_spiffe_cert_validation")?.unwrap_or(false),
        })
    }
}

/// What operators are not told who are neither root nor the agent's own user.
fn explain_redact(root: &Block<'_>) -> Result<Redact, ConfigError> {
    let Some(text) = root.block("explain")?.unwrap_or_default().text("redact")? else { return Ok(Redact::Values) };
    Redact::parse(&text).ok_or_else(|| invalid(format!("explain.redact {text:?} is none of none, values and all")))
}

/// The folder for sockets of pods, if they are asked for.
fn pod_sockets(root: &Block<'_>) -> Result<Option<PathBuf>, ConfigError> {
    let Some(block) = root.block("pod_sockets")? else { return Ok(None) };
    let folder = PathBuf::from(block.text("directory")?.unwrap_or_else(|| "/run/steeple/pod-sockets".to_owned()));
    // The system takes 107 bytes for the path of a socket, of which a pod's UID and the socket's name need 54.
    if !folder.is_absolute() || folder.as_os_str().len() > 53 {
        let shown = folder.display();
        return Err(invalid(format!("pod_sockets.directory {shown} must be an absolute path of at most 53 bytes")));
    }
    Ok(Some(folder))
}

#[cfg(test)]
mod tests;
