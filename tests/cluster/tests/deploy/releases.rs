//! What several cases share: a cluster with three releases of the chart on it. Two servers on one PostgreSQL, a server below
//! them, and another trust domain.

use anyhow::Result;
use serde_json::json;
use steeple_tests_cluster::{Cluster, NAMESPACE, Stand, rolled_out_in};
use steeple_tests_databases::{Postgres, missing};

use crate::helm::Helm;
use crate::{postgres, repository};

/// Release and namespace of the server below.
pub(crate) const LOWER: &str = "lower";
/// Release and namespace of the other trust domain.
pub(crate) const OTHER: &str = "other";

static STAND: Stand =
    Stand::new("releases", &["helm", "oracle"], &[NAMESPACE, LOWER, OTHER, postgres::NAMESPACE], install);

/// Runs a case on the cluster with the releases, beside others.
///
/// # Panics
/// When the case fails.
pub(crate) fn case(case: impl FnOnce(&Cluster) -> Result<()>) {
    if has_postgres() {
        STAND.case(case);
    }
}

/// As [`case`], while no other runs.
///
/// # Panics
/// As [`case`].
pub(crate) fn alone(case: impl FnOnce(&Cluster) -> Result<()>) {
    if has_postgres() {
        STAND.alone(case);
    }
}

#[expect(clippy::panic, reason = "a failed case is a panic of its test")]
fn has_postgres() -> bool {
    match missing(&Postgres::PEERS) {
        Ok(absent) => !absent,
        Err(error) => panic!("{error:#}"),
    }
}

fn install(cluster: &Cluster) -> Result<()> {
    postgres::start(cluster, NAMESPACE)?;
    release(cluster, "steeple", NAMESPACE)?;
    cluster.apply(&server_below(), &[])?;
    for name in [LOWER, OTHER] {
        release(cluster, name, name)?;
    }
    for namespace in [NAMESPACE, LOWER, OTHER] {
        for part in ["statefulset/steeple-server", "daemonset/steeple-agent", "daemonset/steeple-csi"] {
            rolled_out_in(cluster, namespace, part)?;
        }
    }
    rolled_out_in(cluster, NAMESPACE, "deployment/steeple-oidc-discovery-provider")
}

fn release(cluster: &Cluster, name: &str, namespace: &str) -> Result<()> {
    let values = repository(&format!("tests/cluster/values/{name}.yaml"))?;
    Helm::of(cluster, namespace).run(&["install", name, "--create-namespace", "--values", &values])
}

/// By this the servers above let the one below have a CA.
fn server_below() -> String {
    json!({
        "apiVersion": "spire.spiffe.io/v1alpha1", "kind": "ClusterSPIFFEID", "metadata": {"name": "lower-server"},
        "spec": {
            "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/lower/server", "downstream": true,
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": LOWER}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "steeple-server"}},
        },
    })
    .to_string()
}
