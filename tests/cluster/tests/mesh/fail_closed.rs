//! A pod whose identity is missing gets no certificate from anywhere else.

use anyhow::{Result, ensure};
use serde_json::Value;
use steeple_tests_cluster::mesh::{self, Secrets, Sidecar, Socket};
use steeple_tests_cluster::{Case, until};

/// With the node's socket the proxy runs, so that it can be looked at.
#[test]
fn sidecar_without_identity_holds_no_certificate_until_it_is_registered() {
    mesh::case("mesh-unknown", |case| {
        let namespace = Sidecar::namespace(case, "shop")?;
        let pod = Sidecar { namespace: &namespace, name: "unknown", socket: Socket::Node };
        pod.make(case)?;
        // The bundle needs no identity: once it is there, the agent has answered for the certificate too.
        until::ok("the bundle in the sidecar", || {
            let (has, wants) = (pod.secrets(case, Secrets::Active)?, pod.secrets(case, Secrets::Warming)?);
            ensure!(has == ["ROOTCA"] && wants == ["default"], "it has {has:?} and waits for {wants:?}");
            Ok(())
        })?;
        let certificates = pod.certificates(case)?;
        ensure!(certificates.ids().is_empty(), "it has {certificates:?}");
        ensure!(!ready(case, &pod)?, "a pod without identity is ready");
        pod.register(case, None)?;
        pod.await_ready(case)?;
        let ids = pod.certificates(case)?.ids();
        ensure!(ids == [format!("spiffe://{}", pod.principal())], "{ids:?}");
        Ok(()) as Result<()>
    });
}

/// With its own socket the pod does not even start, and an event says why.
#[test]
fn pod_without_identity_does_not_start_and_an_event_says_why() {
    mesh::case("mesh-waiting", |case| {
        let namespace = Sidecar::namespace(case, "shop")?;
        let pod = Sidecar { namespace: &namespace, name: "waiting", socket: Socket::Pod };
        pod.make(case)?;
        until::some("an event about the missing identity", || {
            let events = case.cluster.json(&["-n", &namespace, "get", "events"])?;
            let items = events.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            let told = |event: &Value| {
                let field = |name| event.get(name).and_then(Value::as_str).unwrap_or_default();
                field("reason") == "FailedMount" && field("message").contains("waiting")
            };
            Ok(items.iter().any(told).then_some(()))
        })?;
        ensure!(!ready(case, &pod)?, "a pod without identity is ready");
        pod.register(case, None)?;
        pod.await_ready(case)?;
        let ids = pod.certificates(case)?.ids();
        ensure!(ids == [format!("spiffe://{}", pod.principal())], "{ids:?}");
        Ok(()) as Result<()>
    });
}

fn ready(case: &Case<'_>, pod: &Sidecar<'_>) -> Result<bool> {
    let query = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
    Ok(case.cluster.ok(&["-n", pod.namespace, "get", "pod", pod.name, "-o", query])? == "True")
}
