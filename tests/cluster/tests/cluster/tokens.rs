//! Tokens that prove something else than an agent on its node.

use anyhow::{Result, ensure};
use steeple_tests_cluster::{Case, case, until};

/// An agent of its own in the namespace `steeple`, whose token is as told, is refused with `refusal`.
fn refused(case: &Case<'_>, name: &str, account: &str, audience: &str, refusal: &str) -> Result<()> {
    let manifest = include_str!("../../manifests/rogue-agent.yaml")
        .replace("NAME", name)
        .replace("ACCOUNT", account)
        .replace("AUDIENCE", audience);
    case.cluster.apply(&manifest, &[])?;
    let seen = until::ok("the refusal of an agent", || {
        let logs = case.cluster.ok(&["-n", "steeple", "logs", name])?;
        ensure!(logs.contains(refusal), "no {refusal:?} in\n{logs}");
        ensure!(!logs.contains("Node attestation was successful"), "{logs}");
        Ok(())
    });
    case.cluster.kubectl(&["-n", "steeple", "delete", "pod", name, "--wait=false"])?;
    seen
}

#[test]
fn token_of_another_audience_attests_nobody() {
    case("audience", |case| {
        refused(case, "rogue-audience", "steeple-agent", "vault", "unable to validate token with TokenReview API")
    });
}

#[test]
fn token_of_another_service_account_attests_nobody() {
    case("account", |case| {
        refused(case, "rogue-account", "default", "spire-server", "is not an allowed service account")
    });
}
