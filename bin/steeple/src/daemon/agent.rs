//! `agent run` and `agent validate`.

use std::collections::BTreeMap;

use anyhow::Context;
use steeple_agent::config::{self, AgentConfig};
use steeple_agent::{Agent, Parts};
use steeple_clock::Clock;
use steeple_config::LookUp;
use steeple_keys::KeyCall;
use steeple_runtime::{Shutdown, Signals};
use steeple_telemetry::Log;
use tracing::{info, warn};

use super::flags::{Flag, number, read, switch, value};
use super::{
    check_log, close_umask, counted_keys, crashed, metrics, notify_ready, plugins, signals, start_log, telling,
};
use crate::choose;
use crate::commands::{Env, SPIRE_VERSION};

const FLAGS: &[Flag] = &[
    value("dataDir", "data_dir"),
    value("joinToken", "join_token"),
    value("joinTokenFile", "join_token_file"),
    value("logFile", "log_file"),
    value("logFormat", "log_format"),
    value("logLevel", "log_level"),
    switch("logSourceLocation", "log_source_location"),
    value("serverAddress", "server_address"),
    number("serverPort", "server_port"),
    value("socketPath", "socket_path"),
    value("trustDomain", "trust_domain"),
    value("trustBundle", "trust_bundle_path"),
    value("trustBundleUrl", "trust_bundle_url"),
    value("trustBundleFormat", "trust_bundle_format"),
    value("rebootstrapMode", "rebootstrap_mode"),
    value("rebootstrapDelay", "rebootstrap_delay"),
    switch("allowUnauthenticatedVerifiers", "allow_unauthenticated_verifiers"),
    switch("disableWorkloadAPI", "disable_workload_api"),
    switch("disableSDSAPI", "disable_sds_api"),
    switch("insecureBootstrap", "insecure_bootstrap"),
];

const KINDS: &[&str] = &["KeyManager", "NodeAttestor", "WorkloadAttestor"];

/// `agent run`.
pub(crate) fn agent_run(env: &mut Env, arguments: &[String]) -> u8 {
    let clock = env.clock.clone();
    let config = match telling(&clock, || load(env, arguments)) {
        Ok(config) => config,
        Err(AgentFailure::Told(status)) => return status,
        Err(AgentFailure::Config(reason)) => {
            env.complain(&format!("{reason}\n"));
            return 1;
        }
    };
    let variables = env.vars.clone();
    match run(&config, &variables) {
        Ok(()) => 0,
        Err(error) => crashed(env, "Agent crashed", &error),
    }
}

/// `agent validate`.
pub(crate) fn agent_validate(env: &mut Env, arguments: &[String]) -> u8 {
    let config = load(env, arguments);
    let checked = match config {
        Err(AgentFailure::Told(status)) => return status,
        Err(AgentFailure::Config(reason)) => Err(reason),
        Ok(config) => check_log(&config.log)
            .and_then(|_| check_plugins(&config, &env.vars, &env.clock).map_err(|error| error.to_string())),
    };
    match checked {
        Ok(()) => {
            let _ = std::io::Write::write_all(&mut env.stdout, b"SPIRE agent configuration file is valid.\n");
            0
        }
        Err(reason) => {
            env.complain(&format!("SPIRE agent configuration file is invalid: {reason}\n"));
            1
        }
    }
}

enum AgentFailure {
    /// The user was told already; the exit status.
    Told(u8),
    /// The configuration is of no use.
    Config(String),
}

fn load(env: &mut Env, arguments: &[String]) -> Result<AgentConfig, AgentFailure> {
    let given = read(env, arguments, FLAGS, "conf/agent/agent.conf").map_err(AgentFailure::Told)?;
    let look_up = |name: &str| env.vars.get(name).cloned();
    let expand: Option<&LookUp<'_>> = if given.expand_env { Some(&look_up) } else { None };
    config::load(&given.config, expand, &given.keys, SPIRE_VERSION)
        .map_err(|error| AgentFailure::Config(error.to_string()))
}

fn check_plugins(
    config: &AgentConfig,
    variables: &BTreeMap<String, String>,
    clock: &Clock,
) -> Result<(), choose::ChooseError> {
    choose::check_kinds(&config.plugins, KINDS)?;
    choose::agent_attestor(&config.plugins, config.join_token.clone())?;
    choose::workload_attestors(&config.plugins, variables, clock).map(|_| ())
}

fn run(config: &AgentConfig, variables: &BTreeMap<String, String>) -> anyhow::Result<()> {
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
        let agent = start(config, clock, log.clone(), variables)?;
        notify_ready(variables);
        tokio::select! {
            ended = agent.run(shutdown.clone()) => {
                plugins::unloaded(&config.plugins);
                ended?;
            }
            () = signals::follow(signals, log.clone(), shutdown.clone()) => {}
        }
        info!("Agent stopped gracefully");
        Ok(())
    })
}

/// Makes an agent of a configuration: the one place where its parts come together.
pub(super) fn start(
    config: &AgentConfig,
    clock: Clock,
    log: Log,
    variables: &BTreeMap<String, String>,
) -> anyhow::Result<Agent> {
    info!(
        data_dir = %config.settings.data_dir.display(),
        version = SPIRE_VERSION,
        "Starting agent"
    );
    std::fs::create_dir_all(&config.settings.data_dir)
        .with_context(|| format!("unable to create data directory {}", config.settings.data_dir.display()))?;
    choose::check_kinds(&config.plugins, KINDS)?;
    let metrics = metrics("spire_agent", &config.settings.trust_domain, config.settings.prometheus.as_ref());
    let parts = Parts {
        key_manager: counted_keys(choose::agent_keys(&config.plugins)?, &metrics, &clock, key_metric),
        node_attestor: choose::agent_attestor(&config.plugins, config.join_token.clone())?,
        workload_attestors: choose::workload_attestors(&config.plugins, variables, &clock)?,
        metrics,
        log,
        clock,
    };
    plugins::loaded(&config.plugins, &["memory", "join_token"]);
    Ok(Agent::new(config.settings.clone(), parts)?)
}

/// Under which metric a call of the key manager is counted.
fn key_metric(call: KeyCall) -> &'static str {
    match call {
        KeyCall::GenerateKey => "agent_key_manager_generate_key",
        KeyCall::Key => "agent_key_manager_get_key",
        KeyCall::Keys => "agent_key_manager_get_keys",
    }
}
