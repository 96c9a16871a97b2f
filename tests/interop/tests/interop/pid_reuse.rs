//! A PID that passes to another process while its connection is open.
//!
//! A process connects to the agent's socket and leaves the connection to another; it ends, and an impostor, another user,
//! comes by its PID. What is asked for on that connection must not be answered for the impostor, nor for the one who ended.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use steeple_tests_interop::command::{self, Outcome};
use steeple_tests_interop::{Agent, AgentSettings, Join, OURS, Rig, ServerSettings, peer, rig_id, run};

/// Sets the scene: only who is root may say which PID comes next.
const SCRIPT: &str = include_str!("pid_reuse.py");

#[test]
fn impostor_with_the_pid_of_a_caller_gets_nothing() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("peer absent: root");
        return;
    }
    run(OURS, &["grpc-python"], impostor);
}

fn impostor(rig: &Rig) -> Result<()> {
    let server = rig.server(&ServerSettings::default())?;
    let agent = rig.agent(&server, &AgentSettings::new(Join::Token(server.token("host")?)))?;
    server.entry("caller", "host", "unix:uid:0", &[])?;
    server.entry("impostor", "host", "unix:uid:65534", &[])?;
    agent.await_svid("caller")?;
    let honest = attempt(rig, &agent, "stay")?;
    ensure!(honest.stdout.contains(&rig_id("caller")), "a caller that lives is served: {honest}");
    let answer = attempt(rig, &agent, "pass")?;
    ensure!(answer.exit != 0 && !answer.stdout.contains("spiffe://"), "{answer}");
    ensure!(answer.stderr.contains("workload attestation failed"), "{answer}");
    Ok(())
}

/// What comes of a fetch on the connection of the first caller.
fn attempt(rig: &Rig, agent: &Agent, how: &str) -> Result<Outcome> {
    let (script, socket) = (rig.folder().join("pid_reuse.py"), rig.folder().join(format!("{how}.sock")));
    std::fs::write(&script, SCRIPT)?;
    let mut python = Command::new(peer::path("grpc-python")?);
    python.arg(&script).arg(agent.socket()).arg(&socket).arg(how);
    let mut scene = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut said = String::new();
    BufReader::new(scene.stdout.take().context("stdout")?).read_line(&mut said)?;
    let outcome = match said.trim() {
        "stayed" | "reused" => {
            command::outcome(Command::new(agent.program()).args(["api", "fetch", "x509", "-socketPath"]).arg(&socket))
        }
        other => Err(anyhow::anyhow!("the PID did not come round: {other:?}")),
    };
    // The end of its input ends the scene.
    drop(scene.stdin.take());
    scene.wait()?;
    outcome
}
