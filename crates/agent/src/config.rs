//! The agent's configuration: SPIRE's file and flags, read and checked.

mod keys;
mod telemetry;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use steeple_config::{
    Block, DecodeError, NotYetError, PluginBlock, PluginsError, expand_env, parse, parse_duration, read_plugins,
    refuse_not_yet,
};
use steeple_crypto::keys::KeyType;
use steeple_types::TrustDomain;

use crate::settings::{Bootstrap, SdsNames, Settings};

pub use keys::{NOT_YET, TELEMETRY_NOT_YET};

/// Values given on the command line, by the key of the `agent` block that they stand for. Empty ones count as not given.
pub type Flags = BTreeMap<&'static str, String>;

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
}

/// How the agent logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// From which level on.
    pub level: String,
    /// `text` or `json`.
    pub format: String,
    /// Where to.
    pub file: Option<PathBuf>,
    /// Whether lines tell where in the source they come from.
    pub source_location: bool,
}

/// Why a configuration can't be used; the texts are SPIRE's where it has them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there.
    #[error("could not find config file {0}: please use the -config flag")]
    Missing(String),
    /// The file can't be read.
    #[error("unable to read configuration at {path:?}: {reason}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The file is not in order.
    #[error("unable to decode configuration at {path:?}: {reason}")]
    Malformed {
        /// Which file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A value is of the wrong type.
    #[error(transparent)]
    Value(#[from] DecodeError),
    /// A key asks for what is not there yet.
    #[error(transparent)]
    NotYet(#[from] NotYetError),
    /// The plugins are not in order.
    #[error(transparent)]
    Plugins(#[from] PluginsError),
    /// A value is not acceptable.
    #[error("{0}")]
    Invalid(String),
}

fn invalid(message: impl Into<String>) -> ConfigError {
    ConfigError::Invalid(message.into())
}

/// Yields a variable of the environment.
pub type LookUp<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Reads the file at `path`, with variables of the environment replaced if `env` is given, and lays `flags` over it.
///
/// # Errors
/// [`ConfigError`] of the first thing that is not in order.
pub fn load(path: &str, env: Option<&LookUp<'_>>, flags: &Flags, version: &str) -> Result<AgentConfig, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let text = env.map_or(text.clone(), |look_up| expand_env(&text, look_up));
    let malformed = |reason: String| ConfigError::Malformed { path: path.to_owned(), reason };
    let object = parse(&text).map_err(|error| malformed(error.to_string()))?;
    let root = Block::of(&object);
    let agent = root.block("agent").ok_or_else(|| invalid("agent section must be configured"))?;
    // A value is decoded where it is used; only here is the file known.
    Reader { agent, flags }.config(&root, version).map_err(|error| match error {
        ConfigError::Value(error) => malformed(error.to_string()),
        other => other,
    })
}

/// The bundle's URL must be one that Web PKI vouches for.
fn check_url(url: &str) -> Result<(), ConfigError> {
    let parsed: http::Uri =
        url.parse().map_err(|error| invalid(format!("unable to parse trust bundle URL: {error}")))?;
    if parsed.scheme_str() != Some("https") {
        return Err(invalid("trust bundle URL must start with https://"));
    }
    Ok(())
}

struct Reader<'a> {
    agent: Block<'a>,
    flags: &'a Flags,
}

impl Reader<'_> {
    fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        if let Some(flag) = self.flags.get(key).filter(|flag| !flag.is_empty()) {
            return Ok(Some(flag.clone()));
        }
        Ok(self.agent.text(key)?.filter(|text| !text.is_empty()))
    }

    fn bool(&self, key: &str) -> Result<bool, ConfigError> {
        Ok(self.flags.get(key).is_some_and(|flag| flag == "true") || self.agent.bool(key)?.unwrap_or(false))
    }

    fn port(&self) -> Result<u16, ConfigError> {
        let port = match self.flags.get("server_port").filter(|flag| !flag.is_empty() && *flag != "0") {
            Some(flag) => flag.parse().map_err(|_| invalid(format!("server_port {flag} is not a port")))?,
            None => self.agent.int("server_port")?.unwrap_or_default(),
        };
        match u16::try_from(port) {
            Ok(0) => Err(invalid("server_port must be configured")),
            Ok(port) => Ok(port),
            Err(_) => Err(invalid(format!("server_port {port} is not a port"))),
        }
    }

    fn config(&self, root: &Block<'_>, version: &str) -> Result<AgentConfig, ConfigError> {
        let log = LogSettings {
            level: self.text("log_level")?.unwrap_or_else(|| "INFO".to_owned()),
            format: self.text("log_format")?.unwrap_or_else(|| "text".to_owned()),
            file: self.text("log_file")?.map(PathBuf::from),
            source_location: self.bool("log_source_location")?,
        };
        keys::check_unknown(root, &self.agent)?;
        refuse_not_yet(&self.agent, "agent", NOT_YET)?;
        refuse_not_yet(&root.block("telemetry").unwrap_or_default(), "telemetry", TELEMETRY_NOT_YET)?;
        let server_address =
            self.text("server_address")?.ok_or_else(|| invalid("server_address must be configured"))?;
        let server_port = self.port()?;
        let trust_domain = self.text("trust_domain")?.ok_or_else(|| invalid("trust_domain must be configured"))?;
        let trust_domain = TrustDomain::parse(&trust_domain)
            .map_err(|error| invalid(format!("could not parse trust_domain {trust_domain:?}: {error}")))?;
        let bootstrap = self.bootstrap()?;
        if root.block("plugins").is_none() {
            return Err(invalid("plugins section must be configured"));
        }
        let settings = Settings {
            data_dir: PathBuf::from(self.text("data_dir")?.unwrap_or_else(|| ".".to_owned())),
            socket_path: PathBuf::from(
                self.text("socket_path")?.unwrap_or_else(|| "/tmp/spire-agent/public/api.sock".to_owned()),
            ),
            admin_socket_path: self.admin_socket_path()?,
            workload_key_type: self.workload_key_type()?,
            sync_interval: self.sync_interval()?,
            x509_svid_cache_max_size: self.cache_size("x509_svid_cache_max_size")?,
            jwt_svid_cache_max_size: self.cache_size("jwt_svid_cache_max_size")?,
            allow_unauthenticated_verifiers: self.bool("allow_unauthenticated_verifiers")?,
            allowed_foreign_jwt_claims: self.agent.texts("allowed_foreign_jwt_claims")?.unwrap_or_default(),
            workload_api: !self.bool("disable_workload_api")?,
            sds_api: !self.bool("disable_sds_api")?,
            sds: self.sds()?,
            health: telemetry::health(root)?,
            prometheus: telemetry::prometheus(root)?,
            version: version.to_owned(),
            trust_domain,
            server_address,
            server_port,
            bootstrap,
        };
        Ok(AgentConfig { settings, log, join_token: self.join_token()?, plugins: read_plugins(root)? })
    }

    fn bootstrap(&self) -> Result<Bootstrap, ConfigError> {
        let (path, url) = (self.text("trust_bundle_path")?, self.text("trust_bundle_url")?);
        let format = self.text("trust_bundle_format")?.unwrap_or_else(|| "pem".to_owned());
        let insecure = self.bool("insecure_bootstrap")?;
        if url.is_some() && path.is_some() {
            return Err(invalid("only one of trust_bundle_url or trust_bundle_path can be specified, not both"));
        }
        if insecure && (url.is_some() || path.is_some()) {
            let other = if url.is_some() { "trust_bundle_url" } else { "trust_bundle_path" };
            return Err(invalid(format!("only one of insecure_bootstrap or {other} can be specified, not both")));
        }
        if format != "pem" && format != "spiffe" {
            return Err(invalid("invalid value for trust_bundle_format, expected \"pem\" or \"spiffe\""));
        }
        if let Some(url) = &url {
            check_url(url)?;
        }
        let spiffe = format == "spiffe";
        Ok(match (path, url) {
            (Some(path), _) if spiffe => Bootstrap::SpiffeFile(PathBuf::from(path)),
            (Some(path), _) => Bootstrap::PemFile(PathBuf::from(path)),
            (None, Some(url)) => Bootstrap::Url { url, spiffe },
            (None, None) if insecure => Bootstrap::Insecure,
            (None, None) => Bootstrap::Stored,
        })
    }

    fn join_token(&self) -> Result<String, ConfigError> {
        let (token, file) = (self.text("join_token")?, self.text("join_token_file")?);
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
        let Some(path) = self.agent.text("admin_socket_path")?.filter(|path| !path.is_empty()).map(PathBuf::from)
        else {
            return Ok(None);
        };
        let public = self.text("socket_path")?.unwrap_or_else(|| "/tmp/spire-agent/public/api.sock".to_owned());
        let folder = PathBuf::from(public).parent().map(PathBuf::from).unwrap_or_default();
        if path.starts_with(folder) {
            return Err(invalid(
                "admin socket cannot be in the same directory or a subdirectory as that containing the Workload API socket",
            ));
        }
        Ok(Some(path))
    }

    fn workload_key_type(&self) -> Result<KeyType, ConfigError> {
        let Some(name) = self.text("workload_x509_svid_key_type")? else { return Ok(KeyType::EcP256) };
        let known = [KeyType::Rsa2048, KeyType::EcP256, KeyType::EcP384];
        KeyType::from_name(&name.to_lowercase()).filter(|kind| known.contains(kind)).ok_or_else(|| {
            invalid(format!("key type {name:?} is unknown; must be one of [rsa-2048, ec-p256, ec-p384]"))
        })
    }

    fn sync_interval(&self) -> Result<Duration, ConfigError> {
        let experimental = self.agent.block("experimental").unwrap_or_default();
        match experimental.text("sync_interval")?.filter(|text| !text.is_empty()) {
            None => Ok(Duration::from_secs(5)),
            Some(text) => parse_duration(&text)
                .map_err(|error| invalid(format!("could not parse synchronization interval: {error}"))),
        }
    }

    fn cache_size(&self, key: &str) -> Result<usize, ConfigError> {
        match self.agent.int(key)? {
            None | Some(0) => Ok(1_000),
            Some(size) => usize::try_from(size).map_err(|_| invalid(format!("{key} should not be negative"))),
        }
    }

    fn sds(&self) -> Result<SdsNames, ConfigError> {
        let block = self.agent.block("sds").unwrap_or_default();
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

fn unreadable(path: &str, error: &std::io::Error) -> ConfigError {
    if error.kind() == std::io::ErrorKind::NotFound {
        let path = std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string());
        return ConfigError::Missing(path);
    }
    ConfigError::Unreadable { path: path.to_owned(), reason: error.to_string() }
}
