//! Pods that speak with each other by their identities.

use steeple_tests_cluster::{Entry, SLEEP, SOCKET, Workload, case, id};

#[test]
fn pods_of_two_namespaces_speak_mtls() {
    case("mtls", |case| {
        let (north, south) = (case.namespace("north")?, case.namespace("south")?);
        let serve = format!("exec workload serve {SOCKET} 0.0.0.0:9443");
        let server = Workload { namespace: &north, name: "server", script: &serve };
        let client = Workload { namespace: &south, name: "client", script: SLEEP };
        for workload in [server, client] {
            let path = format!("ns/{}/sa/{}", workload.namespace, workload.name);
            let selectors = [format!("k8s:ns:{}", workload.namespace), format!("k8s:sa:{}", workload.name)];
            case.entry(Entry { path: &path, selectors: &[&selectors[0], &selectors[1]] })?;
            workload.start(case.cluster)?;
        }
        client.await_id(case.cluster, &id(&format!("ns/{south}/sa/client")))?;
        let address = format!("{}:9443", server.address(case.cluster)?);
        // The server may still be waiting for its identity.
        steeple_tests_cluster::until::ok("a call by mTLS", || {
            let call = client.exec(case.cluster, &["workload", "call", SOCKET, &address, "1"])?;
            anyhow::ensure!(call.exit == 0 && call.stdout.contains("1 certificates"), "{call}");
            Ok(())
        })
    });
}
