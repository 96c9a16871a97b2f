//! Fifty pods started at once: how long the first call of each takes, and what that costs the kubelet.
//!
//! Figures, which a busy machine misses: they are run by `cargo xtask bench --on-cluster` and not with the cases.
#![expect(clippy::disallowed_methods, reason = "figures are taken by the machine's clock")]

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use steeple_tests_cluster::{Case, Entry, NAMESPACE, alone, until};

const PODS: usize = 50;
/// Promised: 99 of 100 first calls end within a second.
const PROMISED: f64 = 1.0;
const DAY: f64 = 86_400.0;

/// Says when the first call began and ended, by the node's clock, and with which status.
const SCRIPT: &str = "said=$(workload first /spiffe/spire-agent.sock 2>&1); status=$?; echo first $(hostname) $status $said; \
                      trap 'exit 0' TERM; while :; do sleep 1; done";

/// The first call of a pod, in seconds since the node was started.
struct First {
    pod: String,
    began: f64,
    ended: f64,
}

#[test]
#[ignore = "a figure, measured by cargo xtask bench --on-cluster"]
fn fifty_pods_at_once_have_their_identity_within_a_second_of_their_first_call() {
    alone("fifty", |case| {
        let namespace = case.namespace("a")?;
        let of_pod = [format!("k8s:ns:{namespace}")];
        let (firsts, requests) = first_calls(case, &namespace, "pod", &of_pod)?;
        let took = quantiles("first call, sockets of pods", firsts.iter().map(|first| first.ended - first.began))?;
        ensure!(took < PROMISED, "p99 is {took:.2} s, promised is {PROMISED} s");
        ensure!(requests < PODS as u64, "{requests} requests to the kubelet for {PODS} pods");
        Ok(())
    });
}

#[test]
#[ignore = "a figure, measured by cargo xtask bench --on-cluster"]
fn fifty_containers_at_the_shared_socket_have_theirs_within_a_second_of_being_known() {
    alone("fifty-shared", |case| {
        let namespace = case.namespace("a")?;
        let of_container = [format!("k8s:ns:{namespace}"), "k8s:container-name:workload".to_owned()];
        let (firsts, requests) = first_calls(case, &namespace, "node", &of_container)?;
        let known = known(case, &namespace)?;
        let since_boot = since_boot()?;
        let mut after = Vec::new();
        let mut kubelet = Vec::new();
        for First { pod, began, ended } in &firsts {
            let known = known.get(pod).with_context(|| format!("no status of {pod} told its container's ID"))?;
            let known = (known - since_boot).rem_euclid(DAY);
            after.push((ended - known.max(*began)).max(0.0));
            kubelet.push((known - began).max(0.0));
        }
        quantiles("the kubelet's share, until it told the container's ID", kubelet.into_iter())?;
        let took = quantiles("first call from then on, shared socket", after.into_iter())?;
        ensure!(took < PROMISED, "p99 is {took:.2} s, promised is {PROMISED} s");
        ensure!(requests < PODS as u64, "{requests} requests to the kubelet for {PODS} pods");
        Ok(())
    });
}

/// Starts the pods; yields the first call of each, and how often the kubelet was asked for pods meanwhile.
fn first_calls(case: &Case<'_>, namespace: &str, socket: &str, selectors: &[String]) -> Result<(Vec<First>, u64)> {
    let selectors: Vec<&str> = selectors.iter().map(String::as_str).collect();
    let entry = case.entry(Entry { path: &format!("ns/{namespace}"), selectors: &selectors })?;
    // What is measured is how long a pod waits, not when the agent hears of an entry.
    until::ok("the entry at the agent", || {
        let log = ["-n", NAMESPACE, "logs", "-l", "app=steeple-agent", "--tail=-1"];
        ensure!(case.cluster.ok(&log)?.contains(&entry), "{entry} is not in the agent's log");
        Ok(())
    })?;
    let before = kubelet_requests(case)?;
    case.cluster.apply(&manifest(namespace, socket), &[])?;
    let firsts = until::some("the first calls of all pods", || {
        let logs = case.cluster.kubectl(&["-n", namespace, "logs", "-l", "app=fifty", "--max-log-requests=60"])?;
        let lines: Vec<String> =
            logs.stdout.lines().filter(|line| line.starts_with("first ")).map(str::to_owned).collect();
        Ok((lines.len() == PODS).then_some(lines))
    })?;
    let requests = kubelet_requests(case)? - before;
    println!("requests to the kubelet for pods meanwhile: {requests}");
    Ok((firsts.iter().map(|line| First::read(line)).collect::<Result<_>>()?, requests))
}

impl First {
    fn read(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, pod, status, began, ended] = words.as_slice() else { anyhow::bail!("{line}") };
        ensure!(*status == "0", "a first call failed: {line}");
        Ok(Self { pod: (*pod).to_owned(), began: began.parse()?, ended: ended.parse()? })
    }
}

/// Prints what half and 99 of 100 take at most; yields the latter.
fn quantiles(what: &str, seconds: impl Iterator<Item = f64>) -> Result<f64> {
    let mut seconds: Vec<f64> = seconds.collect();
    seconds.sort_by(f64::total_cmp);
    let at = |part: usize| seconds.get((PODS * part).div_ceil(100) - 1).copied().context("fifty figures");
    println!("{what}, {PODS} pods: p50 {:.2} s, p99 {:.2} s", at(50)?, at(99)?);
    at(99)
}

/// When the kubelet first told the ID of each pod's container, in seconds of the day.
fn known(case: &Case<'_>, namespace: &str) -> Result<BTreeMap<String, f64>> {
    let mut known = BTreeMap::new();
    for event in case.cluster.audit()? {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let container = text("/requestObject/status/containerStatuses/0/containerID");
        if text("/objectRef/namespace") == namespace && !container.is_empty() {
            let told = seconds_of_day(text("/stageTimestamp"))?;
            known.entry(text("/objectRef/name").to_owned()).or_insert(told);
        }
    }
    Ok(known)
}

/// Of a time such as `2026-11-30T07:38:57.123456Z`.
fn seconds_of_day(time: &str) -> Result<f64> {
    let clock = time.split_once('T').and_then(|(_, clock)| clock.strip_suffix('Z')).context(time.to_owned())?;
    let parts = clock.split(':').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    let [hours, minutes, seconds] = parts.as_slice() else { anyhow::bail!("{time}") };
    Ok((hours * 60.0 + minutes) * 60.0 + seconds)
}

/// The second of the day at which the machine was started, which the node shares.
fn since_boot() -> Result<f64> {
    let uptime = std::fs::read_to_string("/proc/uptime")?;
    let up: f64 = uptime.split(' ').next().context("no uptime")?.parse()?;
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64().rem_euclid(DAY) - up)
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

fn manifest(namespace: &str, socket: &str) -> String {
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
    csi: {{driver: csi.spiffe.io, readOnly: true, volumeAttributes: {{steeple.dev/socket: {socket}}}}}
"
        )
    };
    (0..PODS).map(pod).collect()
}
