//! Sidecars speak mutual TLS with identities from the agent.

use anyhow::{Result, ensure};
use steeple_tests_cluster::mesh::{self, Plaintext, Sidecar, Socket};
use steeple_tests_cluster::{Case, SLEEP, Workload, until};

#[test]
fn sidecars_speak_strict_mtls_with_identities_from_the_agent() {
    mesh::case("mesh-mtls", |case| {
        let (near, far) = (Sidecar::namespace(case, "near")?, Sidecar::namespace(case, "far")?);
        let client = Sidecar { namespace: &near, name: "client", socket: Socket::Pod };
        let server = Sidecar { namespace: &far, name: "server", socket: Socket::Pod };
        client.start(case)?;
        server.start(case)?;
        for pod in [client, server] {
            let ids = pod.certificates(case)?.ids();
            ensure!(ids == [format!("spiffe://{}", pod.principal())], "{}: {ids:?}", pod.name);
        }
        let seen = client.await_answer(case, &server, "/cgi-bin/who", "200")?;
        let (by, uri) = (format!("By=spiffe://{}", server.principal()), format!("URI=spiffe://{}", client.principal()));
        ensure!(seen.contains(&by) && seen.contains(&uri), "the server saw {seen:?}");
        plain_text_is_refused(case, &server)
    });
}

/// A pod without a sidecar does not get through, and would if it were let.
fn plain_text_is_refused(case: &Case<'_>, server: &Sidecar<'_>) -> Result<()> {
    let outside = case.namespace("outside")?;
    let plain = Workload { namespace: &outside, name: "plain", script: SLEEP };
    plain.start(case.cluster)?;
    // Envoy takes the end of what it is sent for the end of the connection.
    let request = format!("GET / HTTP/1.1\\r\\nHost: {}\\r\\nConnection: close\\r\\n\\r\\n", server.name);
    let script = format!("(printf '{request}'; sleep 3) | nc {}.{} 8080", server.name, server.namespace);
    let answer = || plain.exec(case.cluster, &["sh", "-c", &script]);
    let refused = answer()?;
    ensure!(!refused.stdout.contains("HTTP/"), "it was answered: {refused}");
    Sidecar::take(case, server.namespace, Plaintext::Taken)?;
    until::ok("an answer where plain text is taken", || {
        let outcome = answer()?;
        ensure!(outcome.stdout.contains("hello"), "{outcome}");
        Ok(())
    })
}
