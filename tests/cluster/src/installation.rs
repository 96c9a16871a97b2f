//! steeple on the cluster: server and agent, and what is asked of the server.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::{image, until};

/// The trust domain of the installation.
pub const TRUST_DOMAIN: &str = "example.org";

/// The namespace of the installation.
pub const NAMESPACE: &str = "steeple";

/// What marks that namespace as one that tests made.
const TESTS: &str = "steeple.dev/tests=true";

/// A registration entry to be made.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Path of the SPIFFE ID.
    pub path: &'a str,
    /// Selectors as the command line takes them.
    pub selectors: &'a [&'a str],
}

/// Installs server and agent, and waits until the agent is attested.
///
/// # Errors
/// When one does not get ready.
pub(crate) fn install(cluster: &Cluster) -> Result<()> {
    ensure_free(cluster)?;
    image::load(cluster)?;
    cluster.apply(include_str!("../manifests/namespace.yaml"), &[])?;
    cluster.apply(include_str!("../manifests/server.yaml"), &[])?;
    rolled_out(cluster, "statefulset/steeple-server")?;
    cluster.apply(include_str!("../manifests/agent.yaml"), &[])?;
    rolled_out(cluster, "daemonset/steeple-agent")?;
    cluster.apply(include_str!("../manifests/csi.yaml"), &[])?;
    rolled_out(cluster, "daemonset/steeple-csi")?;
    until::some("an attested agent", || Ok(agents(cluster)?.into_iter().next())).map(drop)
}

/// On a cluster that somebody uses, nothing of theirs is taken over.
fn ensure_free(cluster: &Cluster) -> Result<()> {
    let ours = cluster.ok(&["get", "namespaces", "-l", TESTS, "-o", "name"])?;
    let there = cluster.ok(&[
        "get",
        &format!("namespace/{NAMESPACE}"),
        "csidriver/csi.spiffe.io",
        "--ignore-not-found",
        "-o",
        "name",
    ])?;
    if ours.is_empty() && !there.is_empty() {
        bail!("the cluster has these already, and not from the tests: {}", there.trim().replace('\n', ", "));
    }
    Ok(())
}

/// Waits until what a workload resource asks for is there.
///
/// # Errors
/// When it is not within three minutes.
pub fn rolled_out(cluster: &Cluster, what: &str) -> Result<()> {
    rolled_out_in(cluster, NAMESPACE, what)
}

/// As [`rolled_out`], in another namespace.
///
/// # Errors
/// As [`rolled_out`].
pub fn rolled_out_in(cluster: &Cluster, namespace: &str, what: &str) -> Result<()> {
    cluster.ok(&["-n", namespace, "rollout", "status", what, "--timeout=180s"]).map(drop)
}

/// Runs a command of the server in its container; returns what it prints as JSON.
///
/// # Errors
/// When it fails.
pub fn server(cluster: &Cluster, arguments: &[&str]) -> Result<Value> {
    ask(cluster, NAMESPACE, "steeple-server-0", arguments)
}

/// Runs a command of the server in a pod of that namespace; returns what it prints as JSON.
///
/// # Errors
/// When it fails.
pub fn ask(cluster: &Cluster, namespace: &str, pod: &str, arguments: &[&str]) -> Result<Value> {
    let exec = ["-n", namespace, "exec", pod, "-c", "steeple-server", "--", "/opt/spire/bin/spire-server"];
    let text = cluster.ok(&[&exec, arguments, &["-output", "json"]].concat())?;
    serde_json::from_str(&text).with_context(|| format!("{arguments:?} printed {text}"))
}

/// What `agent list` says of each agent.
///
/// # Errors
/// When the server can't be asked.
pub fn agents(cluster: &Cluster) -> Result<Vec<Value>> {
    let answer = server(cluster, &["agent", "list"])?;
    Ok(answer.get("agents").and_then(Value::as_array).cloned().unwrap_or_default())
}
