//! `server run` and `server validate`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use steeple_audit::Audit;
use steeple_clock::Clock;
use steeple_config::{LookUp, PluginBlock};
use steeple_keys::KeyCall;
use steeple_runtime::{Shutdown, Signals};
use steeple_server::config::{self, ServerConfig};
use steeple_server::{CallMetrics, LogControl, Parts, Row, Server};
use steeple_sinks::State;
use steeple_store::{ErrorClass, Store};
use steeple_store_sql::SqlBackend;
use steeple_telemetry::{Level, Log, Metrics, label};
use tonic::Code;
use tracing::{debug, info, warn};

use super::audit::Trail;
use super::flags::{Flag, number, read, switch, value};
use super::{
    check_log, close_umask, counted_keys, crashed, host, metrics, notify_ready, plugins, signals, start_log, telling,
};
use crate::choose;
use crate::commands::{Env, SPIRE_VERSION};

const FLAGS: &[Flag] = &[
    value("bindAddress", "bind_address"),
    number("serverPort", "bind_port"),
    value("dataDir", "data_dir"),
    value("logFile", "log_file"),
    value("logFormat", "log_format"),
    value("logLevel", "log_level"),
    switch("logSourceLocation", "log_source_location"),
    value("socketPath", "socket_path"),
    value("trustDomain", "trust_domain"),
];

const KINDS: &[&str] = &["DataStore", "KeyManager", "NodeAttestor", "UpstreamAuthority", "Notifier", "BundlePublisher"];

/// `server run`.
pub(crate) fn server_run(env: &mut Env, arguments: &[String]) -> u8 {
    let clock = env.clock.clone();
    let config = match telling(&clock, || load(env, arguments)) {
        Ok(config) => config,
        Err(status) => return status,
    };
    let variables = env.vars.clone();
    match run(&config, &variables) {
        Ok(()) => 0,
        Err(error) => crashed(env, "Server crashed", &error),
    }
}

/// `server validate`.
pub(crate) fn server_validate(env: &mut Env, arguments: &[String]) -> u8 {
    let invalid = |env: &mut Env, reason: &str| {
        env.complain(&format!("SPIRE server configuration file is invalid: {reason}\n"));
        1
    };
    let given = match read(env, arguments, FLAGS, "conf/server/server.conf") {
        Ok(given) => given,
        Err(status) => return status,
    };
    let variables = env.vars.clone();
    let look_up = |name: &str| variables.get(name).cloned();
    let expand: Option<&LookUp<'_>> = if given.expand_env { Some(&look_up) } else { None };
    let config = match config::load(&given.config, expand, &given.keys) {
        Ok(config) => config,
        Err(error) => return invalid(env, &error.to_string()),
    };
    if let Err(reason) = check_log(&config.log) {
        return invalid(env, &reason);
    }
    match check_plugins(&config, &env.clock) {
        Ok(()) => {
            let _ = std::io::Write::write_all(&mut env.stdout, b"SPIRE server configuration file is valid.\n");
            0
        }
        Err(choose::ChooseError::Invalid { kind, name, message }) => {
            let text = format!(
                "SPIRE server configuration file is invalid.\nValidation errors:\n\t{kind} {name:?}:\n\t\t{message}\n"
            );
            env.complain(&text);
            1
        }
        Err(error) => {
            env.complain(&format!("Could not validate configuration file: {error}"));
            1
        }
    }
}

fn check_plugins(config: &ServerConfig, clock: &Clock) -> Result<(), choose::ChooseError> {
    let (plugins, trust_domain) = (&config.plugins, &config.settings.trust_domain);
    choose::check_kinds(plugins, KINDS)?;
    choose::datastore(plugins)?;
    choose::server_attestors(plugins, trust_domain, clock)?;
    choose::check_upstream_authority(plugins, trust_domain, clock)?;
    choose::server_keys(plugins)?;
    choose::check_bundle_publishers(plugins)?;
    choose::notifiers(plugins, clock)?;
    choose::check_use(plugins)
}

fn load(env: &mut Env, arguments: &[String]) -> Result<ServerConfig, u8> {
    let given = read(env, arguments, FLAGS, "conf/server/server.conf")?;
    let variables = env.vars.clone();
    let look_up = |name: &str| variables.get(name).cloned();
    let expand: Option<&LookUp<'_>> = if given.expand_env { Some(&look_up) } else { None };
    config::load(&given.config, expand, &given.keys).map_err(|error| {
        env.complain(&format!("{error}\n"));
        1
    })
}

fn run(config: &ServerConfig, variables: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let clock = Clock::system();
    let log = start_log(&config.log, &clock)?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    close_umask();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let shutdown = Shutdown::new();
        let signals = Signals::listen()?;
        let serve = async {
            let trail = Trail::begin(config, &clock).await?;
            let server = start(config, clock.clone(), log.clone(), (trail.audit(), trail.sinks())).await?;
            notify_ready(variables);
            let ended = server.run(shutdown.clone()).await;
            trail.end(&clock).await;
            plugins::unloaded(&config.plugins);
            debug!(subsystem_name = "catalog", "Closing DataStore");
            info!(subsystem_name = "catalog", "DataStore closed");
            Ok::<_, anyhow::Error>(ended?)
        };
        tokio::select! {
            ended = serve => ended?,
            () = signals::follow(signals, log.clone(), shutdown.clone()) => {}
        }
        info!("Server stopped gracefully");
        Ok(())
    })
}

/// Makes a server of a configuration: the one place where its parts come together.
pub(super) async fn start(
    config: &ServerConfig,
    clock: Clock,
    log: Log,
    (audit, audit_sinks): (Audit, Vec<Arc<State>>),
) -> anyhow::Result<Server> {
    let trust_domain = &config.settings.trust_domain;
    let blocks: &[PluginBlock] = &config.plugins;
    let admin_ids = &config.settings.admin_ids;
    let admins: Vec<String> = admin_ids.iter().map(ToString::to_string).collect();
    let in_text = format!("[{}]", admins.join(" "));
    let in_json = serde_json::json!({ "admin_ids": if admins.is_empty() { None } else { Some(admins) } });
    info!(
        admin_ids = in_text,
        data_dir = %config.data_dir.display(),
        %in_json,
        launch_log_level = log.launch_level().name(),
        version = SPIRE_VERSION,
        "Configured"
    );
    make_data_dir(config)?;
    choose::check_kinds(blocks, KINDS)?;
    let sql = choose::datastore(blocks)?;
    let metrics = metrics("spire_server", trust_domain, config.settings.prometheus.as_ref());
    let labels = [("version", label(SPIRE_VERSION)), ("trust_domain_id", label(trust_domain.name()))];
    metrics.gauge("started", &labels, 1.0);
    let opening = {
        let clock = clock.clone();
        tokio::task::spawn_blocking(move || SqlBackend::open(&sql, clock))
    };
    let backend = opening.await??;
    info!(subsystem_name = "catalog", reconfigurable = false, "Configured DataStore");
    let observer = {
        let metrics = metrics.clone();
        move |name: &'static str, outcome: Result<(), ErrorClass>, elapsed: Duration| {
            if !metrics.are_on() {
                return;
            }
            let status = outcome.map_or_else(class_name, |()| "OK");
            metrics.call(&format!("datastore_{}", name.replace('.', "_")), status, elapsed);
        }
    };
    let store = Store::new(Arc::new(backend), clock.clone(), Arc::new(observer));
    let parts = Parts {
        host: host(),
        key_manager: counted_keys(choose::server_keys(blocks)?, &metrics, &clock, key_metric),
        upstream_authority: choose::upstream_authority(blocks, trust_domain, &clock).await?,
        node_attestors: choose::server_attestors(blocks, trust_domain, &clock)?,
        bundle_publishers: choose::bundle_publishers(blocks).await?,
        notifiers: choose::notifiers(blocks, &clock)?,
        audit,
        audit_sinks,
        log: Arc::new(ProcessLog(log)),
        metrics: Arc::new(ServerMetrics { metrics, started: clock.monotonic(), clock: clock.clone() }),
        store,
        clock,
    };
    plugins::loaded(blocks, &["memory"]);
    Ok(Server::new(config.settings.clone(), parts).await?)
}

/// Makes the folder in which the server keeps its data, unless it is there.
pub(super) fn make_data_dir(config: &ServerConfig) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("unable to create data directory {}", config.data_dir.display()))
}

fn class_name(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Malformed => "InvalidArgument",
        ErrorClass::NotFound => "NotFound",
        ErrorClass::Conflict => "AlreadyExists",
        ErrorClass::Unfit => "FailedPrecondition",
        ErrorClass::Unavailable => "Unavailable",
        ErrorClass::Unreadable | ErrorClass::Internal => "Internal",
    }
}

/// Under which metric a call of the key manager is counted.
fn key_metric(call: KeyCall) -> &'static str {
    match call {
        KeyCall::GenerateKey => "server_key_manager_generate_key",
        KeyCall::Key => "server_key_manager_get_public_key",
        KeyCall::Keys => "server_key_manager_get_public_keys",
    }
}

/// What a server counts.
struct ServerMetrics {
    metrics: Metrics,
    clock: Clock,
    started: Duration,
}

impl CallMetrics for ServerMetrics {
    fn rpc(&self, row: &Row, code: Code, elapsed: Duration) {
        if self.metrics.are_on() {
            self.metrics.call(&row.metric(), steeple_client::code_of(code), elapsed);
        }
    }

    fn job(&self, key: &str, labels: &[(&'static str, String)], code: Code, elapsed: Duration) {
        self.metrics.call_of(key, labels, steeple_client::code_of(code), elapsed);
    }

    fn turn(&self, row: &Row, code: Code, elapsed: Duration) {
        if self.metrics.are_on() {
            self.metrics.call(&row.turn_metric(), steeple_client::code_of(code), elapsed);
        }
    }

    fn gauge(&self, key: &str, labels: &[(&'static str, String)], value: f64) {
        self.metrics.gauge(key, labels, value);
    }

    fn count(&self, key: &str, labels: &[(&'static str, String)]) {
        self.metrics.count(key, labels);
    }

    fn render(&self) -> String {
        let uptime = self.clock.monotonic().saturating_sub(self.started);
        self.metrics.gauge("uptime_in_ms", &[], uptime.as_secs_f64() * 1_000.0);
        self.metrics.render()
    }
}

struct ProcessLog(Log);

impl LogControl for ProcessLog {
    fn level(&self) -> Level {
        self.0.level()
    }

    fn launch_level(&self) -> Level {
        self.0.launch_level()
    }

    fn set_level(&self, level: Level) {
        self.0.set_level(level);
    }
}
