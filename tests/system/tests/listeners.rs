//! What a server shows to those who watch it: health, metrics, its log, and how it follows signals.
#![expect(clippy::disallowed_methods, reason = "whole programs are tested on the machine's clock")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use steeple_tests_system::dev::free_port;
use steeple_tests_system::http::get;
use steeple_tests_system::rig::binary;
use tempfile::TempDir;

/// Longest that anything may take; what works takes a fraction of it.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server with all its listeners; it is killed when it is dropped.
struct Watched {
    folder: TempDir,
    child: Child,
    health: String,
    metrics: String,
}

impl Watched {
    fn start(format: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (port, health, metrics) = (free_port()?, free_port()?, free_port()?);
        let at = folder.path().display();
        let config = format!(
            r#"server {{
  bind_address = "127.0.0.1" bind_port = {port} trust_domain = "watched.example" data_dir = "{at}"
  socket_path = "{at}/api.sock" log_file = "{at}/log" log_format = "{format}"
}}
plugins {{
  DataStore "sql" {{ plugin_data {{ database_type = "sqlite3" connection_string = "{at}/db.sqlite3" }} }}
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "memory" {{ plugin_data {{}} }}
}}
health_checks {{ listener_enabled = true bind_address = "127.0.0.1" bind_port = "{health}" }}
telemetry {{ Prometheus {{ host = "127.0.0.1" port = {metrics} }} }}
"#
        );
        fs::write(folder.path().join("server.conf"), config)?;
        let mut run = Command::new(binary()?);
        run.args(["server", "run", "-config"]).arg(folder.path().join("server.conf"));
        let child = run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let watched = Self { folder, child, health, metrics };
        until("a ready server", || Ok(get(&watched.health, "/ready").is_ok_and(|(status, _)| status == 200)))?;
        Ok(watched)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?).context("no process")?;
        Ok(kill_process(pid, signal)?)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !holds()? {
        if Instant::now() > end {
            bail!("{what}: not seen in {PATIENCE:?}");
        }
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[test]
fn health_listener_tells_live_and_ready() {
    let watched = Watched::start("text").unwrap();
    for path in ["/live", "/ready", "/startup"] {
        let (status, body) = get(&watched.health, path).unwrap();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        for part in ["catalog.datastore", "server", "server.ca"] {
            assert!(body.get(part).is_some(), "{part} of {body}");
        }
    }
    assert_eq!(get(&watched.health, "/other").unwrap().0, 404);
}

#[test]
fn health_listener_answers_500_and_says_what_is_wrong() {
    let watched = Watched::start("text").unwrap();
    let database = rusqlite::Connection::open(watched.folder.path().join("db.sqlite3")).unwrap();
    database.execute_batch("ALTER TABLE bundles RENAME TO lost").unwrap();
    until("an ill server", || Ok(get(&watched.health, "/ready")?.0 == 500)).unwrap();
    // To start it anew would not mend its datastore, so it lives; all answers say what is wrong.
    for (path, wanted) in [("/ready", 500), ("/live", 200), ("/startup", 200)] {
        let (status, body) = get(&watched.health, path).unwrap();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, wanted, "{path}: {body}");
        assert!(body["catalog.datastore"]["list_bundle_err"].as_str().unwrap().contains("bundles"), "{body}");
        assert_eq!(body["catalog.datastore"]["state"], "failing", "{body}");
        assert!(body["server"]["get_bundle_err"].is_string() && body["server.ca"] == serde_json::json!({}), "{body}");
    }
    database.execute_batch("ALTER TABLE lost RENAME TO bundles").unwrap();
    until("a ready server", || Ok(get(&watched.health, "/ready")?.0 == 200)).unwrap();
}

#[test]
fn prometheus_listener_shows_calls_under_the_names_of_spire() {
    let watched = Watched::start("text").unwrap();
    let mut count = Command::new(binary().unwrap());
    let count = count.args(["server", "entry", "count", "-socketPath"]).arg(watched.folder.path().join("api.sock"));
    assert!(count.output().unwrap().status.success());
    let (status, metrics) = get(&watched.metrics, "/").unwrap();
    assert_eq!(status, 200);
    let line = |line: &&str| line.starts_with("spire_server_rpc_entry_v1_entry_count_entries{");
    let line = metrics.lines().find(line).unwrap();
    assert!(line.contains("status=\"OK\"") && line.ends_with("} 1"), "{line}");
}

#[test]
fn metrics_are_shown_on_every_path_and_health_on_its_own() {
    let watched = Watched::start("text").unwrap();
    for path in ["/metrics", "/any/other"] {
        let (status, metrics) = get(&watched.metrics, path).unwrap();
        assert!(status == 200 && metrics.contains("spire_server_"), "{path}: {status} {metrics}");
    }
    assert_eq!(get(&watched.health, "/metrics").unwrap().0, 404);
}

#[test]
fn server_goes_on_after_sigusr1_and_ends_in_order_on_sigint() {
    let mut watched = Watched::start("text").unwrap();
    watched.signal(Signal::USR1).unwrap();
    until("a word on the signal", || Ok(fs::read_to_string(watched.log())?.contains("No plugin is configured")))
        .unwrap();
    assert_eq!(get(&watched.health, "/ready").unwrap().0, 200);
    watched.signal(Signal::INT).unwrap();
    assert_eq!(watched.child.wait().unwrap().code(), Some(0));
    let said = fs::read_to_string(watched.log()).unwrap();
    assert!(said.trim_end().ends_with("level=info msg=\"Server stopped gracefully\""), "{said}");
}

#[test]
fn log_has_the_messages_of_spire() {
    let watched = Watched::start("text").unwrap();
    let said = fs::read_to_string(watched.log()).unwrap();
    for message in ["Opening SQL database", "Plugin loaded", "X509 CA prepared", "X509 CA activated"] {
        assert!(said.contains(&format!(" level=info msg=\"{message}\"")), "{message} of {said}");
    }
}

#[test]
fn log_is_opened_anew_on_a_signal_and_the_server_ends_on_another() {
    let mut watched = Watched::start("text").unwrap();
    fs::rename(watched.log(), watched.folder.path().join("log.1")).unwrap();
    watched.signal(Signal::USR2).unwrap();
    until("a new log", || Ok(watched.log().exists())).unwrap();
    watched.signal(Signal::TERM).unwrap();
    assert_eq!(watched.child.wait().unwrap().code(), Some(0));
}

#[test]
fn log_in_json_has_an_object_a_line() {
    let watched = Watched::start("json").unwrap();
    let said = fs::read_to_string(watched.log()).unwrap();
    let lines: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let prepared = lines.iter().find(|line| line["msg"] == "X509 CA prepared").unwrap();
    assert_eq!((&prepared["level"], &prepared["subsystem_name"]), (&"info".into(), &"ca_manager".into()));
    assert!(prepared["time"].is_string());
}

#[test]
fn silent_connections_do_not_shut_out_the_probes() -> Result<()> {
    let watched = Watched::start("text")?;
    // A machine that stands still for seconds may see the silent ones closed for their silence: then once more.
    let mut answered = false;
    for _ in 0..5 {
        answered = answered || answers_beside_silent_ones(&watched.health)?;
    }
    assert!(answered, "the probe waited until a silent connection was closed");
    Ok(())
}

/// Whether a probe is answered while 200 connections are open that never end their request.
fn answers_beside_silent_ones(port: &str) -> Result<bool> {
    let mut silent = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
        stream.write_all(b"GET /live HTTP/1.1\r\n")?;
        stream.set_nonblocking(true)?;
        silent.push(stream);
    }
    assert_eq!(get(port, "/live")?.0, 200);
    let is_open = |stream: &mut TcpStream| {
        stream.read(&mut [0; 1]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    Ok(silent.iter_mut().all(is_open))
}
