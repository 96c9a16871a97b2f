//! The `health_checks` and `telemetry` blocks.

use std::net::SocketAddr;

use steeple_config::Block;

use super::{ConfigError, invalid};
use crate::core::{HealthSettings, PrometheusSettings};

/// Where health is told, if it is.
pub(super) fn health(root: &Block<'_>) -> Result<Option<HealthSettings>, ConfigError> {
    let Some(block) = root.block("health_checks") else { return Ok(None) };
    if block.bool("listener_enabled")? != Some(true) {
        return Ok(None);
    }
    let host = block.text("bind_address")?.filter(|host| !host.is_empty()).unwrap_or_else(|| "localhost".to_owned());
    let port = block.text("bind_port")?.filter(|port| !port.is_empty()).unwrap_or_else(|| "80".to_owned());
    let path = |key: &str, default: &str| {
        let path = block.text(key)?.filter(|path| !path.is_empty());
        Ok::<_, ConfigError>(path.unwrap_or_else(|| default.to_owned()))
    };
    Ok(Some(HealthSettings {
        address: resolve("health_checks", &host, &port)?,
        live_path: path("live_path", "/live")?,
        ready_path: path("ready_path", "/ready")?,
    }))
}

/// Where Prometheus reads, if it does.
pub(super) fn prometheus(root: &Block<'_>) -> Result<Option<PrometheusSettings>, ConfigError> {
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
    let found = std::net::ToSocketAddrs::to_socket_addrs(&(host, number)).ok().and_then(|mut found| found.next());
    found.ok_or_else(|| invalid(format!("{what}: could not resolve {host:?}")))
}
