//! `csi`: the CSI driver, with the flags of spiffe-csi-driver and of node-driver-registrar.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use steeple_clock::Clock;
use steeple_config::LogSettings;
use steeple_csi::{Driver, DriverConfig, KubeletRegistration, PodSocketsConfig, SystemMounts};
use steeple_runtime::{Shutdown, Signals};
use tracing::info;

use super::{crashed, signals, start_log};
use crate::commands::{Env, FlagSet, HELP, SPIRE_VERSION};

/// Longest wait for an identity: a kubelet gives a mount two minutes.
const MAX_WAIT: Duration = Duration::from_secs(100);

/// Longest wait for the answer to a probe.
const PROBE: Duration = Duration::from_secs(5);

struct Flags {
    node_id: String,
    node_id_env: String,
    csi_socket_path: String,
    plugin_name: String,
    workload_api_socket_dir: String,
    kubelet_registration_path: String,
    plugin_registration_path: String,
    pod_socket_dir: String,
    identity_timeout: Duration,
    log_level: String,
    probe: bool,
    version: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            node_id: String::new(),
            node_id_env: "MY_NODE_NAME".to_owned(),
            csi_socket_path: "/spiffe-csi/csi.sock".to_owned(),
            plugin_name: "csi.spiffe.io".to_owned(),
            workload_api_socket_dir: String::new(),
            kubelet_registration_path: String::new(),
            plugin_registration_path: "/registration".to_owned(),
            pod_socket_dir: String::new(),
            identity_timeout: Duration::from_secs(20),
            log_level: "INFO".to_owned(),
            probe: false,
            version: false,
        }
    }
}

/// `steeple csi`.
pub(crate) fn csi(env: &mut Env, arguments: &[String]) -> u8 {
    let flags = match read(env, arguments) {
        Ok(flags) => flags,
        Err(status) => return status,
    };
    if flags.version {
        let _ = std::io::Write::write_all(&mut env.stdout, format!("{SPIRE_VERSION}\n").as_bytes());
        return 0;
    }
    if flags.probe {
        return match probe(&flags.csi_socket_path) {
            Ok(()) => 0,
            Err(error) => crashed(env, "Driver does not serve", &error),
        };
    }
    let node_id = if flags.node_id.is_empty() { env.var(&flags.node_id_env).to_owned() } else { flags.node_id.clone() };
    match config(&flags, node_id).and_then(|config| run(config, flags.log_level)) {
        Ok(()) => 0,
        Err(error) => crashed(env, "Failed to serve", &error),
    }
}

/// Reads the flags; `Err` is the exit status, the user having been told.
fn read(env: &mut Env, arguments: &[String]) -> Result<Flags, u8> {
    let mut flags = Flags::default();
    let mut set = FlagSet::new();
    set.text(&mut flags.node_id, &["node-id"], "Name of the node; that of -node-id-env if it is not given.");
    set.text(&mut flags.node_id_env, &["node-id-env"], "Variable in which the name of the node stands.");
    set.text(&mut flags.csi_socket_path, &["csi-socket-path"], "Where the kubelet calls the driver.");
    set.text(&mut flags.plugin_name, &["plugin-name"], "Name of the driver.");
    let folder = "Folder of the agent's socket for all workloads.";
    set.text(&mut flags.workload_api_socket_dir, &["workload-api-socket-dir"], folder);
    let endpoint = "The driver's socket as the kubelet sees it; without it somebody else must register the driver.";
    set.text(&mut flags.kubelet_registration_path, &["kubelet-registration-path"], endpoint);
    let folder = "The kubelet's folder plugins_registry as the driver sees it.";
    set.text(&mut flags.plugin_registration_path, &["plugin-registration-path"], folder);
    let folder = "The agent's pod_sockets.directory; without it there are no sockets of pods.";
    set.text(&mut flags.pod_socket_dir, &["pod-socket-dir"], folder);
    let wait = "How long a mount waits until its pod's identity can be issued; at most 100s.";
    set.timeout(&mut flags.identity_timeout, &["identity-timeout"], wait);
    set.text(&mut flags.log_level, &["log-level"], "Level of the log.");
    let probe = "Asks the driver on -csi-socket-path whether it serves, and ends.";
    set.boolean(&mut flags.probe, &["probe"], probe);
    set.boolean(&mut flags.version, &["version"], "Prints the version and ends.");
    if arguments == [HELP] {
        env.complain(&set.usage());
        return Err(0);
    }
    match set.parse(arguments) {
        Ok([]) => {}
        Ok([word, ..]) => {
            env.complain(&format!("unexpected argument {word:?}\n{}", set.usage()));
            return Err(2);
        }
        Err(error) => {
            env.complain(&format!("{error}\n{}", set.usage()));
            return Err(2);
        }
    }
    drop(set);
    Ok(flags)
}

fn config(flags: &Flags, node_id: String) -> anyhow::Result<DriverConfig> {
    if flags.identity_timeout > MAX_WAIT {
        anyhow::bail!("-identity-timeout must be at most 100s: a kubelet gives up a mount after two minutes");
    }
    let path = |text: &str| Some(text).filter(|text| !text.is_empty()).map(PathBuf::from);
    let registration = path(&flags.kubelet_registration_path).map(|_| KubeletRegistration {
        folder: PathBuf::from(&flags.plugin_registration_path),
        endpoint: flags.kubelet_registration_path.clone(),
    });
    let identity_timeout = flags.identity_timeout;
    let pod_sockets = path(&flags.pod_socket_dir).map(|folder| PodSocketsConfig { folder, identity_timeout });
    Ok(DriverConfig {
        node_id,
        plugin_name: flags.plugin_name.clone(),
        version: SPIRE_VERSION.to_owned(),
        csi_socket_path: PathBuf::from(&flags.csi_socket_path),
        workload_api_socket_dir: PathBuf::from(&flags.workload_api_socket_dir),
        registration,
        pod_sockets,
    })
}

/// What a pod's probe runs.
fn probe(csi_socket: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = async { tokio::time::timeout(PROBE, steeple_csi::probe(Path::new(csi_socket))).await };
    Ok(runtime.block_on(answer).with_context(|| format!("{csi_socket}: no answer in {PROBE:?}"))??)
}

fn run(config: DriverConfig, level: String) -> anyhow::Result<()> {
    let clock = Clock::system();
    let settings = LogSettings { level, format: "text".to_owned(), file: None, source_location: false };
    let log = start_log(&settings, &clock)?;
    info!(
        version = SPIRE_VERSION,
        node_id = config.node_id,
        workload_api_socket_dir = %config.workload_api_socket_dir.display(),
        csi_socket_path = %config.csi_socket_path.display(),
        "Starting"
    );
    // A driver rests nearly always, so one thread is enough.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Its channel to the agent needs the runtime.
        let driver = Driver::new(config, Arc::new(SystemMounts), clock)?;
        let shutdown = Shutdown::new();
        let signals = Signals::listen()?;
        tokio::select! {
            ended = driver.run(shutdown.clone()) => ended?,
            () = signals::follow(signals, log, shutdown.clone()) => {}
        }
        info!("Done");
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::env;

    fn told(line: &str) -> Result<Flags, (u8, String)> {
        let (mut env, streams) = env();
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        read(&mut env, &arguments)
            .map_err(|status| (status, streams.err().lines().next().unwrap_or_default().to_owned()))
    }

    #[test]
    fn defaults_are_those_of_spiffe_csi() {
        let flags = told("-workload-api-socket-dir /run/agent").ok().unwrap();
        let config = config(&flags, "node-1".to_owned()).unwrap();
        assert_eq!(config.csi_socket_path, PathBuf::from("/spiffe-csi/csi.sock"));
        assert_eq!((flags.node_id_env.as_str(), config.plugin_name.as_str()), ("MY_NODE_NAME", "csi.spiffe.io"));
        assert!(config.registration.is_none() && config.pod_sockets.is_none());
    }

    #[test]
    fn every_flag_is_read() {
        let line = "-node-id n -csi-socket-path /c -plugin-name p -workload-api-socket-dir /w -log-level DEBUG \
                    -kubelet-registration-path /k/c -plugin-registration-path /r -pod-socket-dir /p -identity-timeout 7s";
        let flags = told(line).ok().unwrap();
        let config = config(&flags, flags.node_id.clone()).unwrap();
        assert_eq!((config.node_id.as_str(), config.plugin_name.as_str()), ("n", "p"));
        assert_eq!(config.csi_socket_path, PathBuf::from("/c"));
        assert_eq!(config.workload_api_socket_dir, PathBuf::from("/w"));
        let registration = config.registration.unwrap();
        assert_eq!((registration.folder, registration.endpoint.as_str()), (PathBuf::from("/r"), "/k/c"));
        let sockets = config.pod_sockets.unwrap();
        assert_eq!((sockets.folder, sockets.identity_timeout), (PathBuf::from("/p"), Duration::from_secs(7)));
        assert_eq!(flags.log_level, "DEBUG");
    }

    #[test]
    fn wait_beyond_the_kubelets_patience_is_refused() {
        let flags = told("-identity-timeout 2m").ok().unwrap();
        assert!(config(&flags, String::new()).unwrap_err().to_string().contains("at most 100s"));
    }

    #[test]
    fn what_is_no_flag_is_refused() {
        assert_eq!(told("-nope").err().unwrap(), (2, "flag provided but not defined: -nope".to_owned()));
        assert_eq!(told("word").err().unwrap(), (2, "unexpected argument \"word\"".to_owned()));
    }

    #[test]
    fn version_is_printed() {
        let (mut env, streams) = env();
        assert_eq!(csi(&mut env, &["-version".to_owned()]), 0);
        assert_eq!(streams.out(), format!("{SPIRE_VERSION}\n"));
    }

    #[test]
    fn missing_settings_are_named_in_the_words_of_spiffe_csi() {
        let driver = |line: &str, node_id: &str| {
            let config = config(&told(line).ok().unwrap(), node_id.to_owned()).unwrap();
            Driver::new(config, Arc::new(SystemMounts), Clock::system()).err().map(|error| error.to_string())
        };
        assert_eq!(driver("", "n").unwrap(), "workload API socket directory is required");
        assert_eq!(driver("-workload-api-socket-dir /w", "").unwrap(), "node ID is required");
        assert_eq!(driver("-workload-api-socket-dir /w", "n"), None);
    }
}
