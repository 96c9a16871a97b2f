//! Where a daemon tells over HTTP how it is, and what: the blocks `health_checks` and `telemetry`.

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
    /// Path that tells whether it has served.
    pub startup_path: String,
}

/// Where Prometheus reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrometheusSettings {
    /// The address that is bound.
    pub address: SocketAddr,
    /// Its host, as it was configured.
    pub host: String,
    /// What it reads.
    pub metrics: MetricSettings,
}

/// Which metrics are told, and under which names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricSettings {
    /// What names begin with, in place of the daemon's own word.
    pub prefix: Option<String>,
    /// Whether each metric has the label `trust_domain`.
    pub trust_domain_label: bool,
    /// Whether each metric has the label `host`.
    pub host_label: bool,
    /// Beginnings of names, told even if a shorter one is blocked.
    pub allowed_prefixes: Vec<String>,
    /// Beginnings of names that are not told, unless a longer one is allowed.
    pub blocked_prefixes: Vec<String>,
    /// The labels that are told; without this list all are.
    pub allowed_labels: Option<Vec<String>>,
    /// Labels that are not told.
    pub blocked_labels: Vec<String>,
}

/// Where health is told, if it is.
///
/// # Errors
/// [`ConfigError`] for an address that is none.
pub fn read_health(root: &Block<'_>) -> Result<Option<HealthSettings>, ConfigError> {
    let Some(block) = root.block("health_checks")? else { return Ok(None) };
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
        startup_path: text("startup_path", "/startup")?,
    }))
}

/// Where Prometheus reads, if it does.
///
/// # Errors
/// [`ConfigError`] for an address that is none.
pub fn read_prometheus(root: &Block<'_>) -> Result<Option<PrometheusSettings>, ConfigError> {
    let telemetry = root.block("telemetry")?.unwrap_or_default();
    let metrics = read_metrics(&telemetry)?;
    let Some(block) = telemetry.block("Prometheus")? else { return Ok(None) };
    let host = block.text("host")?.filter(|host| !host.is_empty()).unwrap_or_else(|| "localhost".to_owned());
    let port = block.int("port")?.unwrap_or_default();
    let address = resolve("telemetry.Prometheus", &host, &port.to_string())?;
    Ok(Some(PrometheusSettings { address, host, metrics }))
}

fn read_metrics(telemetry: &Block<'_>) -> Result<MetricSettings, ConfigError> {
    Ok(MetricSettings {
        prefix: telemetry.text("MetricPrefix")?.filter(|prefix| !prefix.is_empty()),
        trust_domain_label: telemetry.bool("EnableTrustDomainLabel")? == Some(true),
        host_label: telemetry.bool("EnableHostnameLabel")?.unwrap_or(true),
        allowed_prefixes: telemetry.texts("AllowedPrefixes")?.unwrap_or_default(),
        blocked_prefixes: telemetry.texts("BlockedPrefixes")?.unwrap_or_default(),
        allowed_labels: telemetry.texts("AllowedLabels")?,
        blocked_labels: telemetry.texts("BlockedLabels")?.unwrap_or_default(),
    })
}

fn resolve(what: &str, host: &str, port: &str) -> Result<SocketAddr, ConfigError> {
    let number: u16 = port.parse().map_err(|_| invalid(format!("{what}: {port:?} is not a port")))?;
    let found = (host, number).to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| invalid(format!("{what}: could not resolve {host:?}")))
}

/// Keys of the `telemetry` block whose feature comes later.
pub const TELEMETRY_NOT_YET: &[NotYet] = &[
    NotYet { key: "DogStatsd", default: "", feature: "other receivers of metrics" },
    NotYet { key: "Statsd", default: "", feature: "other receivers of metrics" },
    NotYet { key: "M3", default: "", feature: "other receivers of metrics" },
    NotYet { key: "InMem", default: "", feature: "other receivers of metrics" },
    NotYet { key: "Prometheus.tls", default: "", feature: "metrics over TLS" },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn metrics(keys: &str) -> Result<MetricSettings, ConfigError> {
        let root = parse(&format!("telemetry {{\nPrometheus {{ port = 1 }}\n{keys}\n}}")).unwrap();
        read_prometheus(&Block::of(&root)).map(|prometheus| prometheus.unwrap().metrics)
    }

    #[test]
    fn what_is_told_of_metrics_is_read() {
        let least = metrics("MetricPrefix = \"\"").unwrap();
        assert_eq!((least.prefix, least.trust_domain_label, least.host_label), (None, false, true));
        assert!(least.allowed_labels.is_none() && least.blocked_labels.is_empty());
        assert!(least.allowed_prefixes.is_empty() && least.blocked_prefixes.is_empty());
        let keys = "MetricPrefix = \"p\"\nEnableTrustDomainLabel = true\nEnableHostnameLabel = false
            AllowedPrefixes = [\"a\"]\nBlockedPrefixes = [\"b\"]\nAllowedLabels = []\nBlockedLabels = [\"c\"]";
        let expected = MetricSettings {
            prefix: Some("p".to_owned()),
            trust_domain_label: true,
            host_label: false,
            allowed_prefixes: vec!["a".to_owned()],
            blocked_prefixes: vec!["b".to_owned()],
            allowed_labels: Some(vec![]),
            blocked_labels: vec!["c".to_owned()],
        };
        assert_eq!(metrics(keys).unwrap(), expected);
        assert!(metrics("AllowedPrefixes = 1").is_err());
    }
}
