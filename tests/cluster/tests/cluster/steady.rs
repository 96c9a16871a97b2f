//! What calls to the Workload API cost others once a pod is known.

use anyhow::{Context, Result, ensure};
use steeple_tests_cluster::{Case, SLEEP, Workload, alone};

/// How often the node's kubelet was asked for its pods.
fn asked(case: &Case<'_>) -> Result<u64> {
    let node = case.cluster.ok(&["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"])?;
    let metrics = case.cluster.ok(&["get", "--raw", &format!("/api/v1/nodes/{node}/proxy/metrics")])?;
    let lines = metrics.lines().filter(|line| line.starts_with("kubelet_http_requests_total{"));
    let counts = lines.filter(|line| line.contains("path=\"pods\"")).map(|line| {
        let count = line.rsplit(' ').next().and_then(|count| count.parse::<f64>().ok());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
        count.map(|count| count as u64).with_context(|| format!("no count in {line}"))
    });
    counts.sum()
}

#[test]
fn calls_from_known_pods_ask_the_kubelet_nothing() {
    alone("steady", |case| {
        let namespace = case.namespace("a")?;
        let pod = Workload { namespace: &namespace, name: "caller", script: SLEEP };
        pod.start(case.cluster)?;
        // However it ends: from now on the agent has seen the pod's container.
        pod.ids(case.cluster)?;
        let before = asked(case)?;
        for _ in 0..20 {
            pod.ids(case.cluster)?;
        }
        let after = asked(case)?;
        ensure!(after == before, "20 calls asked the kubelet {} times", after - before);
        let log = case.cluster.ok(&["-n", "steeple", "logs", "daemonset/steeple-agent"])?;
        ensure!(log.contains("Watching pods"), "{log}");
        Ok(())
    });
}
