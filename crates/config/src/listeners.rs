//! Where a daemon tells over HTTP how it is: the `health_checks` block, and `Prometheus` of the `telemetry` block.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::{Block, ConfigError, NotYet, invalid};

/// Where health is told over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSettings {
    /// Where to listen.
    pub address: SocketAddr,
    /// Path that tells whether the process lives.
    pub live_path: String,
    /// Path that tells whether it serves.
    pub ready_path: String,
}

/// Where Prometheus reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrometheusSettings {
    /// The address that is bound.
    pub address: SocketAddr,
    /// Its host, as it was configured.
    pub host: String,
}

/// Where health is told, if it is.
///
/// # Errors
/// [`ConfigError`] for an address that is none.
pub fn read_health(root: &Block<'_>) -> Result<Option<HealthSettings>, ConfigError> {
    let Some(block) = root.block("health_checks") else { return Ok(None) };
    if block.bool("listener_enabled")? != Some(true) {
        return Ok(None);
    }
    let text = |key: &str, default: &str| {
        let text = block.text(key)?.filter(|text| !text.is_empty());
        Ok::<_, ConfigError>(text.unwrap_or_else(|| default.to_owned()))
    };
    Ok(Some(HealthSettings {
        address: resolve("health_checks", &text("bind_address", "localhost")?, &text("bind_port", "80")?)?,
        live_path: text("live_path", "/live")?,
        ready_path: text("ready_path", "/ready")?,
    }))
}

/// Where Prometheus reads, if it does.
///
/// # Errors
/// [`ConfigError`] for an address that is none.
pub fn read_prometheus(root: &Block<'_>) -> Result<Option<PrometheusSettings>, ConfigError> {
    let Some(block) = root.block("telemetry").and_then(|telemetry| telemetry.block("Prometheus")) else {
        return Ok(None);
    };
    let host = block.text("host")?.filter(|host| !host.is_empty()).unwrap_or_else(|| "localhost".to_owned());
    let port = block.int("port")?.unwrap_or_default();
    let address = resolve("telemetry.Prometheus", &host, &port.to_string())?;
    Ok(Some(PrometheusSettings { address, host }))
}

fn resolve(what: &str, host: &str, port: &str) -> Result<SocketAddr, ConfigError> {
    let number: u16 = port.parse().map_err(|_| invalid(format!("{what}: {port:?} is not a port")))?;
    let found = (host, number).to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| invalid(format!("{what}: could not resolve {host:?}")))
}

/// Keys of the `telemetry` block whose feature comes later, of a daemon whose metrics begin with `prefix` by default.
pub const fn telemetry_not_yet(prefix: &'static str) -> [NotYet; 12] {
    const fn key(key: &'static str, default: &'static str) -> NotYet {
        NotYet { key, default, feature: "more metrics" }
    }
    [
        key("DogStatsd", ""),
        key("Statsd", ""),
        key("M3", ""),
        key("InMem", ""),
        key("Prometheus.tls", ""),
        key("MetricPrefix", prefix),
        key("EnableTrustDomainLabel", "false"),
        key("EnableHostnameLabel", "true"),
        key("AllowedPrefixes", ""),
        key("BlockedPrefixes", ""),
        key("AllowedLabels", ""),
        key("BlockedLabels", ""),
    ]
}
