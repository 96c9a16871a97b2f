//! Certificates rotate while requests go on.

use anyhow::{Result, ensure};
use steeple_tests_cluster::mesh::{self, Sidecar, Socket};
use steeple_tests_cluster::until;

/// Rotations of the server's certificate that are waited for.
const ROTATIONS: usize = 3;

#[test]
fn rotation_under_load_fails_no_request() {
    mesh::case("mesh-rotation", |case| {
        let namespace = Sidecar::namespace(case, "shop")?;
        let [client, server] =
            ["client", "server"].map(|name| Sidecar { namespace: &namespace, name, socket: Socket::Pod });
        for pod in [client, server] {
            pod.register(case, Some(30))?;
            pod.make(case)?;
        }
        client.await_ready(case)?;
        server.await_ready(case)?;
        case.cluster.apply(&one_connection_for_each_request(&server), &[])?;
        client.await_answer(case, &server, "/", "200")?;
        let mut seen: Vec<String> = Vec::new();
        let statuses = client.load(case, &server, || {
            until::some("certificates that rotate", || {
                for serial in server.certificates(case)?.serials() {
                    if !seen.contains(&serial) {
                        seen.push(serial);
                    }
                }
                Ok((seen.len() > ROTATIONS).then_some(()))
            })
        })?;
        let failed: Vec<&String> = statuses.iter().filter(|status| *status != "200").collect();
        ensure!(failed.is_empty(), "{} of {} requests failed: {failed:?}", failed.len(), statuses.len());
        ensure!(statuses.len() > ROTATIONS, "only {} requests were made", statuses.len());
        eprintln!("{} requests over {} certificates", statuses.len(), seen.len());
        Ok(()) as Result<()>
    });
}

/// Each request makes a handshake of its own and is not tried again.
fn one_connection_for_each_request(server: &Sidecar<'_>) -> String {
    let (name, namespace) = (server.name, server.namespace);
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{host: {name}, trafficPolicy: {{connectionPool: {{http: {{maxRequestsPerConnection: 1}}}}}}}}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{hosts: [{name}], http: [{{retries: {{attempts: 0}}, route: [{{destination: {{host: {name}}}}}]}}]}}\n"
    )
}
