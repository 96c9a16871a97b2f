//! Fifty pods started at once: how long the first call of each takes on its own socket, and what that costs the kubelet.
//!
//! A figure, which a busy machine misses: it is run by `cargo xtask bench --on-cluster` and not with the cases.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use steeple_tests_cluster::{Case, Entry, alone, until};

const PODS: usize = 50;
/// Promised: 99 of 100 first calls end within a second.
const PROMISED: f64 = 1.0;

/// Says when the first call began and ended, by the node's clock, and with which status.
const SCRIPT: &str = "read began rest </proc/uptime; workload ids /spiffe/spire-agent.sock >/tmp/ids 2>&1; status=$?; \
                      read ended rest </proc/uptime; echo first $status $began $ended; \
                      trap 'exit 0' TERM; while :; do sleep 1; done";

#[test]
#[ignore = "a figure, measured by cargo xtask bench --on-cluster"]
fn fifty_pods_at_once_have_their_identity_within_a_second_of_their_first_call() {
    alone("fifty", |case| {
        let namespace = case.namespace("a")?;
        let selector = format!("k8s:ns:{namespace}");
        case.entry(Entry { path: &format!("ns/{namespace}"), selectors: &[&selector] })?;
        let before = kubelet_requests(case)?;
        case.cluster.apply(&manifest(&namespace), &[])?;
        let firsts = until::some("the first calls of all pods", || {
            let logs = case.cluster.kubectl(&["-n", &namespace, "logs", "-l", "app=fifty", "--max-log-requests=60"])?;
            let lines: Vec<String> =
                logs.stdout.lines().filter(|line| line.starts_with("first ")).map(str::to_owned).collect();
            Ok((lines.len() == PODS).then_some(lines))
        })?;
        let requests = kubelet_requests(case)? - before;
        let mut seconds = firsts.iter().map(|line| took(line)).collect::<Result<Vec<f64>>>()?;
        seconds.sort_by(f64::total_cmp);
        let at = |part: usize| seconds.get((PODS * part).div_ceil(100) - 1).copied().context("fifty figures");
        println!("first call of {PODS} pods: p50 {:.2} s, p99 {:.2} s", at(50)?, at(99)?);
        println!("requests to the kubelet for pods meanwhile: {requests}");
        ensure!(at(99)? < PROMISED, "p99 is {:.2} s, promised is {PROMISED} s", at(99)?);
        ensure!(requests < PODS as u64, "{requests} requests to the kubelet for {PODS} pods");
        Ok(())
    });
}

fn took(line: &str) -> Result<f64> {
    let words: Vec<&str> = line.split(' ').collect();
    let [_, status, began, ended] = words.as_slice() else { anyhow::bail!("{line}") };
    ensure!(*status == "0", "a first call failed: {line}");
    Ok(ended.parse::<f64>()? - began.parse::<f64>()?)
}

/// How often the node's kubelet was asked for its pods.
fn kubelet_requests(case: &Case<'_>) -> Result<u64> {
    let nodes: Value = case.cluster.json(&["get", "nodes"])?;
    let node = nodes.pointer("/items/0/metadata/name").and_then(Value::as_str).context("no node")?;
    let metrics = case.cluster.ok(&["get", "--raw", &format!("/api/v1/nodes/{node}/proxy/metrics")])?;
    let of_pods = metrics
        .lines()
        .filter(|line| line.starts_with("kubelet_http_requests_total{") && line.contains("path=\"pods\""));
    let count = |line: &str| line.rsplit(' ').next().and_then(|count| count.split('.').next()?.parse::<u64>().ok());
    of_pods.map(|line| count(line).with_context(|| format!("no count in {line}"))).sum()
}

fn manifest(namespace: &str) -> String {
    let pod = |number: usize| {
        format!(
            r"---
apiVersion: v1
kind: Pod
metadata: {{name: fifty-{number}, namespace: {namespace}, labels: {{app: fifty}}}}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  containers:
  - name: workload
    image: workload:local
    imagePullPolicy: Never
    command: [/bin/sh, -c, {SCRIPT:?}]
    volumeMounts: [{{name: spiffe, mountPath: /spiffe, readOnly: true}}]
  volumes:
  - name: spiffe
    csi: {{driver: csi.spiffe.io, readOnly: true, volumeAttributes: {{steeple.dev/socket: pod}}}}
"
        )
    };
    (0..PODS).map(pod).collect()
}
