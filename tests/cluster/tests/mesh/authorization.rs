//! Policies of Istio go by the identities that the agent gives.

use anyhow::{Result, ensure};
use steeple_tests_cluster::mesh::{self, Sidecar, Socket};

#[test]
fn authorization_policy_lets_one_identity_in_and_refuses_another() {
    mesh::case("mesh-policy", |case| {
        let namespace = Sidecar::namespace(case, "shop")?;
        let [server, friend, stranger] =
            ["server", "friend", "stranger"].map(|name| Sidecar { namespace: &namespace, name, socket: Socket::Pod });
        for pod in [server, friend, stranger] {
            pod.register(case, None)?;
            pod.make(case)?;
        }
        for pod in [server, friend, stranger] {
            pod.await_ready(case)?;
        }
        friend.await_answer(case, &server, "/", "200")?;
        stranger.await_answer(case, &server, "/", "200")?;
        case.cluster.apply(&policy(&server, &friend), &[])?;
        stranger.await_answer(case, &server, "/", "403")?;
        let answer = friend.ask(case, &server, "/")?;
        ensure!(answer.stdout == "hello\n\n200", "{answer}");
        Ok(()) as Result<()>
    });
}

fn policy(server: &Sidecar<'_>, friend: &Sidecar<'_>) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: friends, namespace: {}}}\n\
         spec:\n  selector: {{matchLabels: {{app: {}}}}}\n  action: ALLOW\n  rules:\n  - from: [{{source: {{principals: [{:?}]}}}}]\n",
        server.namespace,
        server.name,
        friend.principal()
    )
}
