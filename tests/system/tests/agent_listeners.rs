//! What an agent shows to those who watch it, and how it follows signals.

use std::fs;

use anyhow::Result;
use rustix::process::Signal;
use serde_json::{Value, json};
use steeple_tests_system::dev::free_port;
use steeple_tests_system::http::get;
use steeple_tests_system::pair::{Pair, Program};

const AGENT: &str = "agent";

/// A pair whose agent tells its health and its metrics on these ports.
fn watched() -> Result<(Pair, String, String)> {
    let (mut pair, health, metrics) = (Pair::new()?, free_port()?, free_port()?);
    pair.agent_blocks = format!(
        "health_checks {{ listener_enabled = true bind_address = \"127.0.0.1\" bind_port = \"{health}\" }}\n\
         telemetry {{ Prometheus {{ host = \"127.0.0.1\" port = {metrics} }} }}\n"
    );
    Ok((pair, health, metrics))
}

/// Waits until the health listener answers `status` on `path`; yields its body.
fn answers(agent: &mut Program, health: &str, path: &str, status: u16) -> Result<Value> {
    let mut body = Value::Null;
    agent.wait_for(|| {
        let Ok((found, text)) = get(health, path) else { return Ok(false) };
        body = serde_json::from_str(&text)?;
        Ok(found == status)
    })?;
    Ok(body)
}

#[test]
fn agent_without_its_server_lives_and_is_ready_once_it_serves() {
    let (pair, health, _) = watched().unwrap();
    let mut server = pair.start_server().unwrap();
    let token = pair.admit(AGENT).unwrap();
    server.terminate().unwrap();
    server.end().unwrap();
    let mut agent = pair.launch_agent(AGENT, Some(&token)).unwrap();
    let body = answers(&mut agent, &health, "/ready", 500).unwrap();
    assert!(body["agent"]["make_new_x509_err"].is_string(), "{body}");
    assert_eq!(get(&health, "/live").unwrap().0, 200, "an agent that waits for its server lives");
    assert_eq!(get(&health, "/other").unwrap().0, 404);
    let _server = pair.start_server().unwrap();
    for path in ["/ready", "/live", "/startup"] {
        assert_eq!(answers(&mut agent, &health, path, 200).unwrap(), json!({ "agent": {} }));
    }
}

#[test]
fn agent_that_has_lost_its_server_is_degraded_and_stays_live_and_ready() {
    let (pair, health, _) = watched().unwrap();
    let mut server = pair.start_server().unwrap();
    let token = pair.admit(AGENT).unwrap();
    let mut agent = pair.start_agent(AGENT, Some(&token)).unwrap();
    server.kill().unwrap();
    agent
        .wait_for(|| {
            let (status, body) = get(&health, "/ready")?;
            anyhow::ensure!(status == 200, "{status} {body}");
            let body: Value = serde_json::from_str(&body)?;
            Ok(body["agent"]["state"] == "degraded" && body["agent"]["sync_err"].is_string())
        })
        .unwrap();
    for path in ["/live", "/startup"] {
        assert_eq!(get(&health, path).unwrap().0, 200, "{path}");
    }
    assert_eq!(pair.fetch(AGENT).unwrap().exit, 0, "what it has is served");
    let _server = pair.start_server().unwrap();
    agent.wait_for(|| Ok(get(&health, "/ready")?.1 == "{\"agent\":{}}\n")).unwrap();
}

#[test]
fn agent_whose_attestors_fail_is_neither_live_nor_ready() {
    let (mut pair, health, _) = watched().unwrap();
    pair.workload_attestor = "systemd";
    let bus = format!("unix:path={}", pair.path("no-bus").display());
    pair.agent_environment = vec![("DBUS_SYSTEM_BUS_ADDRESS", bus)];
    let _server = pair.start_server().unwrap();
    let token = pair.admit(AGENT).unwrap();
    let mut agent = pair.launch_agent(AGENT, Some(&token)).unwrap();
    let error = "rpc error: code = Unavailable desc = workload attestation failed";
    for path in ["/live", "/ready"] {
        let body = answers(&mut agent, &health, path, 500).unwrap();
        // Before it serves it lives and is not ready, for another reason.
        if path == "/live" {
            assert_eq!(body, json!({ "agent": { "make_new_x509_err": error } }));
        }
    }
}

#[test]
fn prometheus_reads_the_calls_of_workloads_under_the_names_of_spire() {
    let (pair, _, metrics) = watched().unwrap();
    let _server = pair.start_server().unwrap();
    let token = pair.admit(AGENT).unwrap();
    let _agent = pair.start_agent(AGENT, Some(&token)).unwrap();
    assert_eq!(pair.workload(AGENT, "api fetch jwt", &["-audience", "a"]).unwrap().exit, 0);
    for path in ["/", "/metrics", "/any/other"] {
        let (status, text) = get(&metrics, path).unwrap();
        assert_eq!(status, 200, "{path}");
        let line = |line: &&str| line.starts_with("spire_agent_rpc_workload_api_fetch_jwtsvid{");
        let line = text.lines().find(line).unwrap_or_else(|| panic!("{path}: {text}"));
        assert!(line.contains("status=\"OK\"") && line.ends_with("} 1"), "{line}");
        assert!(text.contains("\nspire_agent_uptime_in_ms"), "{text}");
    }
}

#[test]
fn agent_opens_its_log_anew_goes_on_after_sigusr1_and_ends_in_order() {
    for stop in [Signal::INT, Signal::TERM] {
        let mut pair = Pair::new().unwrap();
        let log = pair.path("agent-log");
        pair.agent_lines = format!("log_file = \"{}\"", log.display());
        let _server = pair.start_server().unwrap();
        let token = pair.admit(AGENT).unwrap();
        let mut agent = pair.start_agent(AGENT, Some(&token)).unwrap();
        fs::rename(&log, pair.path("agent-log.1")).unwrap();
        agent.signal(Signal::USR2).unwrap();
        agent.wait_for(|| Ok(log.exists())).unwrap();
        agent.signal(Signal::USR1).unwrap();
        agent.wait_for(|| Ok(fs::read_to_string(&log)?.contains("No plugin is configured"))).unwrap();
        assert_eq!(pair.fetch(AGENT).unwrap().exit, 0);
        agent.signal(stop).unwrap();
        assert_eq!(agent.end().unwrap().code(), Some(0));
        let said = fs::read_to_string(&log).unwrap();
        assert!(said.trim_end().ends_with("level=info msg=\"Agent stopped gracefully\""), "{said}");
        assert!(!pair.path("agent-api/api.sock").exists());
    }
}
