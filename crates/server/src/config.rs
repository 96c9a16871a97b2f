//! The server's configuration: SPIRE's file and flags, read and checked.

mod access;
mod audit;
mod experimental;
mod federation;
mod keys;
mod sinks;
mod ttls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use steeple_audit::{KeepSettings, TrailSettings};
use steeple_ca::CaSubject;
use steeple_config::{
    Block, ConfigError, Flags, LogSettings, LookUp, PluginBlock, Section, TELEMETRY_NOT_YET, invalid, parse_duration,
    read_health, read_plugins, read_prometheus, refuse_not_yet,
};
use steeple_crypto::digest::sha256;
use steeple_crypto::keys::KeyType;
use steeple_crypto::tls::KeyExchange;
use steeple_crypto::x509::Name;
use steeple_explain::Redact;
use steeple_net::TrustedProxies;
use steeple_sinks::SinkSettings;
use steeple_types::{SpiffeId, TrustDomain};

use crate::api::RateSettings;
use crate::core::{PruneNodesSettings, Settings};

pub use access::read as access_of;
pub use keys::NOT_YET;

/// A server's configuration, checked.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// What the server does.
    pub settings: Settings,
    /// Where the server keeps its data.
    pub data_dir: PathBuf,
    /// How the server logs.
    pub log: LogSettings,
    /// Where the audit trail is kept, if it is.
    pub audit: Option<TrailSettings>,
    /// Where its records go besides.
    pub audit_sinks: Vec<SinkSettings>,
    /// What is done with files of the trail that are full.
    pub audit_keep: Option<KeepSettings>,
    /// SHA-256 of the file, in hexadecimal digits.
    pub digest: String,
    /// The plugins in the order of the file.
    pub plugins: Vec<PluginBlock>,
    /// What the operator should know of.
    pub warnings: Vec<String>,
}

/// Reads the file at `path`, with variables of the environment replaced if `env` is given, and lays `flags` over it.
///
/// # Errors
/// [`ConfigError`] of the first thing that is not in order.
pub fn load(path: &str, env: Option<&LookUp<'_>>, flags: &Flags) -> Result<ServerConfig, ConfigError> {
    let mut loaded = steeple_config::load(path, env, "server", |root, block| {
        Reader { server: Section { block, flags } }.config(root)
    })?;
    // What was read a moment ago can be read again, but for a file that is being replaced: its digest is the new one's then.
    loaded.digest = std::fs::read(path).map(|bytes| hex::encode(sha256(&bytes))).unwrap_or_default();
    Ok(loaded)
}

struct Reader<'a> {
    server: Section<'a>,
}

impl Reader<'_> {
    fn config(&self, root: &Block<'_>) -> Result<ServerConfig, ConfigError> {
        let log = self.server.log()?;
        let mut warnings = Vec::new();
        let trust_domain =
            self.server.text("trust_domain")?.ok_or_else(|| invalid("trust_domain must be configured"))?;
        let data_dir = self.server.text("data_dir")?.ok_or_else(|| invalid("data_dir must be configured"))?;
        if root.block("plugins")?.is_none() {
            return Err(invalid("plugins section must be configured"));
        }
        federation::check(&self.server.block)?;
        keys::check_unknown(root, &self.server.block)?;
        refuse_not_yet(&self.server.block, "server", NOT_YET)?;
        refuse_not_yet(&root.block("telemetry")?.unwrap_or_default(), "telemetry", TELEMETRY_NOT_YET)?;
        let bind_address = self.bind_address()?;
        let trust_domain = TrustDomain::parse(&trust_domain)
            .map_err(|error| invalid(format!("could not parse trust_domain {trust_domain:?}: {error}")))?;
        let mut settings = self.settings(root, trust_domain, bind_address, &mut warnings)?;
        let plugins = read_plugins(root)?;
        let data_dir = PathBuf::from(data_dir);
        let audit = audit::read(root, &settings.trust_domain, &data_dir)?;
        settings.audit_directory = audit.as_ref().map(|audit| audit.directory.clone());
        let (audit_sinks, audit_keep) = (sinks::read(root)?, audit::keep(root)?);
        let digest = String::new();
        Ok(ServerConfig { settings, data_dir, log, audit, audit_sinks, audit_keep, digest, plugins, warnings })
    }

    fn bind_address(&self) -> Result<SocketAddr, ConfigError> {
        let host = self.server.text("bind_address")?.unwrap_or_else(|| "0.0.0.0".to_owned());
        let port = self.server.int("bind_port")?.filter(|port| *port != 0).unwrap_or(8081);
        let port = u16::try_from(port).map_err(|_| invalid(format!("bind_port {port} is not a port")))?;
        let host = host.trim_matches(['[', ']']);
        let resolved = std::net::ToSocketAddrs::to_socket_addrs(&(host, port)).map(|mut found| found.next());
        match resolved {
            Ok(Some(address)) => Ok(address),
            Ok(None) => Err(invalid(format!("could not resolve bind address \"{host}:{port}\": no such host"))),
            Err(error) => Err(invalid(format!("could not resolve bind address \"{host}:{port}\": {error}"))),
        }
    }

    fn settings(
        &self,
        root: &Block<'_>,
        trust_domain: TrustDomain,
        bind_address: SocketAddr,
        warnings: &mut Vec<String>,
    ) -> Result<Settings, ConfigError> {
        let server = &self.server.block;
        let ratelimit = server.block("ratelimit")?.unwrap_or_default();
        let experimental = server.block("experimental")?.unwrap_or_default();
        let hour = Duration::from_hours(1);
        let ca_ttl = duration(server, "ca_ttl", "default CA ttl")?.unwrap_or(hour * 24);
        let x509 = duration(server, "default_x509_svid_ttl", "default X509 SVID ttl")?.unwrap_or(hour);
        let jwt = duration(server, "default_jwt_svid_ttl", "default JWT SVID ttl")?;
        let jwt = jwt.unwrap_or(Duration::from_mins(5));
        let agent_ttl = duration(server, "agent_ttl", "agent ttl")?;
        let keys =
            [("default_x509_svid_ttl", Some(x509)), ("default_jwt_svid_ttl", Some(jwt)), ("agent_ttl", agent_ttl)];
        warnings.extend(keys.iter().filter_map(|(key, ttl)| ttls::warning(ca_ttl, key, (*ttl)?)));
        let following = experimental::following(&experimental, warnings)?;
        let ca_key_type = self.key_type("ca_key_type")?.unwrap_or(KeyType::EcP256);
        let staleness = duration(server, "max_attested_node_info_staleness", "max attested node staleness")?;
        if staleness.is_some_and(|staleness| !staleness.is_zero()) {
            warnings.push(
                "max_attested_node_info_staleness has no effect: nodes are answered from memory, which follows other servers \
                 on the datastore within half a second"
                    .to_owned(),
            );
        }
        let data_dir = PathBuf::from(self.server.text("data_dir")?.unwrap_or_default());
        let federation = federation::read(server, &trust_domain, &data_dir, warnings)?;
        Ok(Settings {
            bind_address,
            socket_path: PathBuf::from(
                self.server.text("socket_path")?.unwrap_or_else(|| "/tmp/spire-server/private/api.sock".to_owned()),
            ),
            ca_ttl,
            ca_subject: ca_subject(server, warnings)?,
            ca_key_type,
            jwt_key_type: self.key_type("jwt_key_type")?.unwrap_or(ca_key_type),
            jwt_issuer: self.server.text("jwt_issuer")?,
            jwt_enabled: !self.server.bool("disable_jwt_svids")?,
            default_x509_svid_ttl: x509,
            default_jwt_svid_ttl: jwt,
            agent_ttl: agent_ttl.unwrap_or(x509),
            admin_ids: admin_ids(server)?,
            access: access::read(root, &trust_domain)?,
            rate_limits: RateSettings {
                attestation: ratelimit.bool("attestation")?.unwrap_or(true),
                signing: ratelimit.bool("signing")?.unwrap_or(true),
            },
            audit_directory: None,
            audit_log_enabled: self.server.bool("audit_log_enabled")?,
            agent_spiffe_id_as_selector: experimental.bool("agent_spiffe_id_as_selector")?.unwrap_or(false),
            prune_nodes: self.prune_nodes()?,
            prune_events_older_than: experimental::interval(
                &experimental,
                "prune_events_older_than",
                "prune events interval",
            )?
            .unwrap_or(hour * 12),
            trusted_proxies: trusted_proxies(server)?,
            key_exchange: KeyExchange::of_demand(experimental.bool("require_pq_kem")?.unwrap_or(false)),
            following,
            federation,
            explain_redact: explain_redact(root)?,
            health: read_health(root)?,
            prometheus: read_prometheus(root)?,
            trust_domain,
        })
    }

    fn key_type(&self, key: &str) -> Result<Option<KeyType>, ConfigError> {
        let Some(name) = self.server.text(key)? else { return Ok(None) };
        KeyType::from_name(&name.to_lowercase()).map(Some).ok_or_else(|| {
            let known = "rsa-2048, rsa-4096, ec-p256, ec-p384";
            invalid(format!("error parsing {key}: key type {name:?} is unknown; must be one of [{known}]"))
        })
    }

    fn prune_nodes(&self) -> Result<Option<PruneNodesSettings>, ConfigError> {
        let server = &self.server.block;
        let Some(text) = server.text("prune_attested_nodes_expired_for")?.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let expired_for = parse_duration(&text)
            .map_err(|error| invalid(format!("could not parse prune_attested_nodes_expired_for: {error}")))?;
        let batch_size = server.int("prune_attested_nodes_batch_size")?.unwrap_or(1_000);
        Ok(Some(PruneNodesSettings {
            expired_for,
            batch_size: usize::try_from(batch_size).ok().filter(|size| *size > 0).ok_or_else(|| {
                invalid(format!("prune_attested_nodes_batch_size must be greater than 0, not {batch_size}"))
            })?,
            include_non_reattestable: server.bool("prune_tofu_nodes")?.unwrap_or(false),
        }))
    }
}

/// What agents are not told of entries that are not theirs.
fn explain_redact(root: &Block<'_>) -> Result<Redact, ConfigError> {
    let Some(text) = root.block("explain")?.unwrap_or_default().text("redact")? else { return Ok(Redact::All) };
    Redact::parse(&text).ok_or_else(|| invalid(format!("explain.redact {text:?} is none of none, values and all")))
}

fn duration(block: &Block<'_>, key: &str, what: &str) -> Result<Option<Duration>, ConfigError> {
    let Some(text) = block.text(key)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    parse_duration(&text).map(Some).map_err(|error| invalid(format!("could not parse {what} {text:?}: {error}")))
}

fn ca_subject(server: &Block<'_>, warnings: &mut Vec<String>) -> Result<CaSubject, ConfigError> {
    let Some(block) = server.block("ca_subject")? else { return Ok(CaSubject::default()) };
    let name = Name {
        country: block.texts("country")?.unwrap_or_default(),
        organization: block.texts("organization")?.unwrap_or_default(),
        common_name: block.text("common_name")?.filter(|name| !name.is_empty()),
        ..Name::default()
    };
    if name.is_empty() {
        warnings.push("ca_subject configurable is set but empty; the default will be used".to_owned());
        return Ok(CaSubject::default());
    }
    Ok(CaSubject(name))
}

fn admin_ids(server: &Block<'_>) -> Result<Vec<SpiffeId>, ConfigError> {
    let parse =
        |id: String| SpiffeId::parse(&id).map_err(|error| invalid(format!("could not parse admin ID {id:?}: {error}")));
    server.texts("admin_ids")?.unwrap_or_default().into_iter().map(parse).collect()
}

fn trusted_proxies(server: &Block<'_>) -> Result<TrustedProxies, ConfigError> {
    let networks = server.texts("proxy_protocol_trusted_cidrs")?.unwrap_or_default();
    TrustedProxies::parse(&networks).map_err(|(network, reason)| {
        invalid(format!("invalid proxy_protocol_trusted_cidrs value {network:?}: {reason}"))
    })
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
