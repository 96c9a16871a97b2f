//! A PID that passes from one pod's process to another's while its connection is open.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use steeple_tests_cluster::{Entry, Node, Outcome, SLEEP, Workload, case, id, peer};

/// Sets the scene: only who is root on the node may say which PID comes next.
const SCRIPT: &str = include_str!("../../../interop/tests/interop/pid_reuse.py");

#[test]
fn pod_that_comes_by_anothers_pid_gets_nothing() {
    case("pid-reuse", |case| {
        let Some(node) = case.cluster.node()? else { return Ok(()) };
        let namespace = case.namespace("a")?;
        let [caller, impostor] =
            ["caller", "impostor"].map(|name| Workload { namespace: &namespace, name, script: SLEEP });
        for pod in [caller, impostor] {
            let path = format!("ns/{namespace}/sa/{}", pod.name);
            let selectors = [format!("k8s:ns:{namespace}"), format!("k8s:sa:{}", pod.name)];
            case.entry(Entry { path: &path, selectors: &[&selectors[0], &selectors[1]] })?;
            pod.start(case.cluster)?;
            pod.await_id(case.cluster, &id(&path))?;
        }
        let groups = [caller.control_group(case.cluster)?, impostor.control_group(case.cluster)?];
        let honest = attempt(node, &groups, "stay")?;
        ensure!(honest.stdout.contains("/sa/caller"), "a caller that lives is served: {honest}");
        let answer = attempt(node, &groups, "pass")?;
        ensure!(answer.exit != 0 && !answer.stdout.contains("spiffe://"), "{answer}");
        Ok(())
    });
}

/// What comes of a fetch on the connection of the first caller.
fn attempt(node: Node<'_>, [caller, impostor]: &[String; 2], how: &str) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let (script, socket, agent) =
        (folder.path().join("scene.py"), folder.path().join("scene.sock"), folder.path().join("spire-agent"));
    std::fs::write(&script, SCRIPT)?;
    std::os::unix::fs::symlink(peer::path("steeple")?.canonicalize()?, &agent)?;
    let [script, socket, agent] = [&script, &socket, &agent].map(|path| path.display().to_string());
    let mut scene = node
        .command(&["python3", &script, "/run/steeple/agent-sockets/spire-agent.sock", &socket, how])
        .env("CALLER_GROUP", caller)
        .env("IMPOSTOR_GROUP", impostor)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    BufReader::new(scene.stdout.take().context("stdout")?).read_line(&mut said)?;
    let outcome = match said.trim() {
        "stayed" | "reused" => node.exec(&[&agent, "api", "fetch", "x509", "-socketPath", &socket]),
        other => bail!("the PID did not come round: {other:?}"),
    };
    // The end of its input ends the scene.
    drop(scene.stdin.take());
    scene.wait()?;
    outcome
}
