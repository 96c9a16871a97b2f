//! The daemons: `server run`, `agent run`, their `validate`, `controller`, `csi`, `oidc-discovery-provider`, and `dev`.

mod agent;
mod audit;
mod controller;
mod csi;
mod dev;
mod flags;
mod oidc;
mod plugins;
mod server;
mod signals;

pub(crate) use agent::{agent_run, agent_validate};
pub(crate) use controller::controller;
pub(crate) use csi::csi;
pub(crate) use dev::dev;
pub(crate) use oidc::oidc;
pub(crate) use server::{server_run, server_validate};

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use steeple_clock::Clock;
use steeple_config::{LogSettings, PrometheusSettings};
use steeple_keys::{KeyCall, ObservedKeys};
use steeple_plugin::{ErrorClass, KeyManager};
use steeple_runtime::{notify_service_manager, tighten_umask};
use steeple_telemetry::{Format, Level, Log, LogConfig, MetricFilter, Metrics, label};
use steeple_types::TrustDomain;

use crate::commands::Env;

/// Starts the process's log.
fn start_log(settings: &LogSettings, clock: &Clock) -> anyhow::Result<Log> {
    let (log, subscriber) = Log::new(&check_log(settings).map_err(anyhow::Error::msg)?, clock.clone())?;
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(log)
}

/// Loads a configuration while what is said goes to standard output: the log that it asks for is not open yet.
fn telling<T>(clock: &Clock, load: impl FnOnce() -> T) -> T {
    let config = LogConfig { level: Level::Info, format: Format::Text, file: None, source_location: false };
    match Log::new(&config, clock.clone()) {
        Ok((_log, subscriber)) => tracing::subscriber::with_default(subscriber, load),
        Err(_) => load(),
    }
}

/// What the settings of a daemon's log ask for.
fn check_log(settings: &LogSettings) -> Result<LogConfig, String> {
    log_config(settings).map_err(|reason| format!("could not start logger: {reason}"))
}

fn log_config(settings: &LogSettings) -> Result<LogConfig, String> {
    let level =
        Level::from_name(&settings.level).ok_or_else(|| format!("not a valid logrus Level: {:?}", settings.level))?;
    let format = match settings.format.to_lowercase().as_str() {
        "text" => Format::Text,
        "json" => Format::Json,
        _ => return Err(format!("unknown logger format: {:?}", settings.format)),
    };
    Ok(LogConfig { level, format, file: settings.file.clone(), source_location: settings.source_location })
}

/// Keeps others from the files that a daemon makes, and says so.
fn close_umask() {
    if let Some((before, now)) = tighten_umask() {
        tracing::warn!("Current umask {before:04o} is too permissive; setting umask {now:04o}");
    }
}

/// The metrics of a daemon: they are counted only when the configuration has them read.
fn metrics(prefix: &str, trust_domain: &TrustDomain, read: Option<&PrometheusSettings>) -> Metrics {
    let Some(PrometheusSettings { metrics, .. }) = read else { return Metrics::off() };
    let mut labels = Vec::new();
    if metrics.host_label {
        labels.push(("host", host()));
    }
    if metrics.trust_domain_label {
        labels.push(("trust_domain", label(trust_domain.name())));
    }
    let filter = MetricFilter::new(
        &metrics.allowed_prefixes,
        &metrics.blocked_prefixes,
        metrics.allowed_labels.clone(),
        &metrics.blocked_labels,
    );
    Metrics::filtered(metrics.prefix.as_deref().unwrap_or(prefix), labels, filter)
}

/// Counts the calls of a key manager under the names that `key` gives them.
fn counted_keys(
    keys: Arc<dyn KeyManager>,
    metrics: &Metrics,
    clock: &Clock,
    key: fn(KeyCall) -> &'static str,
) -> Arc<dyn KeyManager> {
    let metrics = metrics.clone();
    let observer = move |call, outcome: Result<(), ErrorClass>, elapsed| {
        metrics.call(key(call), outcome.map_or_else(class_name, |()| "OK"), elapsed);
    };
    Arc::new(ObservedKeys::new(keys, Arc::new(observer), clock.clone()))
}

/// The code of a plugin's error.
fn class_name(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Malformed => "InvalidArgument",
        ErrorClass::Denied => "PermissionDenied",
        ErrorClass::NotFound => "NotFound",
        ErrorClass::Unfit => "FailedPrecondition",
        ErrorClass::Unsupported => "Unimplemented",
        ErrorClass::Unavailable => "Unavailable",
        ErrorClass::Internal => "Internal",
    }
}

/// The name of this machine.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// Tells the service manager, if one waits for it, that the daemon is ready.
fn notify_ready(variables: &BTreeMap<String, String>) {
    if let Some(socket) = variables.get("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) {
        let _told = notify_service_manager(Path::new(socket), "READY=1");
    }
}

/// Tells why a daemon has ended, and yields its exit status.
fn crashed(env: &mut Env, what: &str, error: &anyhow::Error) -> u8 {
    let reason = reason(error);
    tracing::error!(error = reason, "{what}");
    env.complain(&format!("{reason}\n"));
    1
}

/// What went wrong, with its causes; a cause that the text before it tells already is not told again.
fn reason(error: &anyhow::Error) -> String {
    let mut reason = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if reason.is_empty() {
            reason = cause;
        } else if !reason.contains(&cause) {
            reason = format!("{reason}: {cause}");
        }
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let error = anyhow::anyhow!("no place");
        assert_eq!(reason(&error), "no place");
        let error = error.context("unable to write f: no place").context("unable to start");
        assert_eq!(reason(&error), "unable to start: unable to write f: no place");
    }
}
