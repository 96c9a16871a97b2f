//! Why a pod has no identity, asked of the agent of its node.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use steeple_tests_cluster::{Case, Entry, NAMESPACE, SLEEP, Workload, case, until};

/// What the agent says of a pod.
fn explain(case: &Case<'_>, namespace: &str, pod: &str, entry: &str) -> Result<Value> {
    let socket = "/run/spire/data/private/admin.sock";
    let exec = ["-n", NAMESPACE, "exec", "daemonset/steeple-agent", "--", "/opt/spire/bin/steeple", "explain"];
    let pod = format!("{namespace}/{pod}");
    let flags = ["-agentSocket", socket, "-pod", &pod, "-entryID", entry, "-output", "json"];
    let text = case.cluster.ok(&[&exec[..], &flags].concat())?;
    serde_json::from_str(&text).with_context(|| text.clone())
}

#[test]
fn pod_without_an_identity_is_explained_on_its_node() {
    case("explain", |case| {
        let namespace = case.namespace("a")?;
        let pod = Workload { namespace: &namespace, name: "web", script: SLEEP };
        pod.start(case.cluster)?;
        let ns = format!("k8s:ns:{namespace}");
        for (wanted, cause, fix) in [
            ("k8s:sa:wbe", "missing_selector", "-selector k8s:sa:web"),
            ("k8s:pod-label:app:wbe", "missing_selector", "-selector k8s:pod-label:app:web"),
            ("k8s:pod-name:web-1", "missing_selector", "-selector k8s:pod-name:web"),
            ("k8s:container-name:wrkload", "missing_selector", "-selector k8s:container-name:workload"),
            ("k8s:serviceaccount:web", "unknown_selector", "-selector k8s:sa:web"),
            ("k8s:ns-label:team:a", "attestor_option", "enable_namespace_labels = true"),
            ("unix:uid:0", "attestor_not_configured", "WorkloadAttestor \"unix\""),
            (
                "k8s_psat:cluster:demo-cluster",
                "node_selector",
                "entry create -node -selector k8s_psat:cluster:demo-cluster",
            ),
            ("k8s:sa:web", "issued", ""),
        ] {
            let entry = case.entry(Entry { path: "explained", selectors: &[&ns, wanted] })?;
            let said = until::some(wanted, || {
                let said = explain(case, &namespace, "web", &entry)?;
                let cause = said.pointer("/findings/0/cause").and_then(Value::as_str).unwrap_or_default();
                Ok((!["not_synced", "not_fetched", "no_such_entry"].contains(&cause)).then_some(said))
            })?;
            case.server(&["entry", "delete", "-entryID", &entry])?;
            let of = |pointer: &str| said.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            println!("{wanted}: {}: {}", of("/findings/0/cause"), of("/findings/0/text"));
            ensure!(of("/findings/0/cause") == cause && of("/findings/0/fix").contains(fix), "{wanted}: {said:#}");
            ensure!(of("/workload").starts_with(&format!("pod {namespace}/web, process ")), "{said:#}");
        }
        Ok(())
    });
}
