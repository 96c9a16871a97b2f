//! Sidecars speak mutual TLS with identities from the agent.

use anyhow::{Result, ensure};
use steeple_tests_cluster::mesh::{self, Sidecar, Socket};
use steeple_tests_cluster::{SLEEP, Workload};

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

/// A pod without a sidecar does not get through.
fn plain_text_is_refused(case: &steeple_tests_cluster::Case<'_>, server: &Sidecar<'_>) -> Result<()> {
    let outside = case.namespace("outside")?;
    let plain = Workload { namespace: &outside, name: "plain", script: SLEEP };
    plain.start(case.cluster)?;
    let url = format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc {}.{} 8080", server.name, server.namespace);
    let answer = plain.exec(case.cluster, &["sh", "-c", &url])?;
    ensure!(!answer.stdout.contains("hello") && !answer.stdout.contains("200 OK"), "it was answered: {answer}");
    Ok(())
}
