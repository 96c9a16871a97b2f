//! A cluster of somebody else, of which no more is known than `KUBECONFIG`.

use anyhow::{Context as _, Result, ensure};
use steeple_tests_cluster::{Node, empty};

/// How an image archive comes to the node, which nobody but the owner of a cluster knows.
const LOAD: &str = "STEEPLE_CLUSTER_LOAD=ctr -a /run/containerd/containerd.sock --namespace k8s.io images import";

/// Runs tests of this program where `KUBECONFIG` alone tells of a cluster; returns what they print.
fn tests(node: Node<'_>, names: &[&str]) -> Result<String> {
    let program = std::env::current_exe()?;
    let program = program.to_str().context("a program whose path is no UTF-8")?;
    let mut command = vec!["env"];
    for own in ["STEEPLE_CLUSTER", "STEEPLE_CLUSTER_MODE", "STEEPLE_SKIPPED"] {
        command.extend(["-u", own]);
    }
    let run = node.exec(&[&command[..], &[LOAD, program, "--exact", "--nocapture"], names].concat())?;
    ensure!(run.exit == 0, "{run}");
    Ok(run.stdout + &run.stderr)
}

#[test]
fn cluster_of_kubeconfig_serves_the_cases_and_keeps_what_is_its_own() {
    empty("theirs", &[], |cluster| {
        let Some(node) = cluster.node()? else { return Ok(()) };
        let said = tests(
            node,
            &[
                "identities::pod_has_the_identity_of_its_entry",
                "pid_reuse::pod_that_comes_by_anothers_pid_gets_nothing",
            ],
        )?;
        ensure!(
            said.contains("2 passed") && said.contains("of the node are in reach on a cluster of this machine"),
            "{said}"
        );
        // Twice, since what was installed stays.
        tests(node, &["identities::pod_has_the_identity_of_its_entry"])?;
        cluster.ok(&["label", "namespace", "steeple", "steeple.dev/tests-"])?;
        let refused = tests(node, &["identities::pod_has_the_identity_of_its_entry"])
            .err()
            .context("an installation of somebody else")?;
        ensure!(format!("{refused:#}").contains("namespace/steeple"), "{refused:#}");
        Ok(())
    });
}
