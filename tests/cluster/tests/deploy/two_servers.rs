//! Two servers on one PostgreSQL: agents go from one to the other.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use steeple_tests_cluster::{Cluster, NAMESPACE, SLEEP, SOCKET, Workload, agents, ask, audit, id, rolled_out, until};

use crate::releases;

const SERVERS: [&str; 2] = ["steeple-server-0", "steeple-server-1"];
const WORKLOAD: Workload<'static> = Workload { namespace: "two-servers", name: "web", script: SLEEP };

/// An entry that one server was told is issued by the other, and whichever dies, renewals go on.
#[test]
fn either_of_two_servers_serves_the_agents_alone() {
    releases::alone(|cluster| {
        let [first, second] = SERVERS;
        ensure!(authority(cluster, first)? != authority(cluster, second)?, "both sign with one key");
        enter(cluster, second)?;
        cluster.ok(&["create", "namespace", WORKLOAD.namespace])?;
        WORKLOAD.start(cluster)?;
        WORKLOAD.await_id(cluster, &id("two-servers/web"))?;
        for gone in [second, first] {
            without(cluster, gone, || {
                let before = serials(cluster)?;
                until::ok("a renewal", || {
                    let now = serials(cluster)?;
                    ensure!(now != before, "still {now}");
                    Ok(())
                })
            })?;
        }
        audit::none_refused(cluster)
    });
}

/// An entry of the workload, below the node's agent, made at `server`; its SVIDs are renewed after fifteen seconds.
fn enter(cluster: &Cluster, server: &str) -> Result<()> {
    let agent = until::some("an attested agent", || Ok(agents(cluster)?.into_iter().next()))?;
    let path = agent.pointer("/id/path").and_then(Value::as_str).context("an agent has a path")?;
    let (parent, id) = (id(path.trim_start_matches('/')), id("two-servers/web"));
    let create = ["entry", "create", "-parentID", &parent, "-spiffeID", &id, "-x509SVIDTTL", "30"];
    let selectors = ["-selector", "k8s:ns:two-servers", "-selector", "k8s:sa:web"];
    ask(cluster, NAMESPACE, server, &[&create[..], &selectors].concat()).map(drop)
}

/// Kills a server, does something while no other takes its place, and waits for its successor.
fn without(cluster: &Cluster, server: &str, deed: impl FnOnce() -> Result<()>) -> Result<()> {
    let nodes = cluster.ok(&["get", "nodes", "-o", "name"])?;
    for node in nodes.lines() {
        cluster.ok(&["cordon", node])?;
    }
    cluster.ok(&["-n", NAMESPACE, "delete", "pod", server, "--force", "--grace-period=0"])?;
    let done = deed();
    for node in nodes.lines() {
        cluster.ok(&["uncordon", node])?;
    }
    done.with_context(|| format!("without {server}"))?;
    rolled_out(cluster, "statefulset/steeple-server")
}

/// The authority that a server signs with.
fn authority(cluster: &Cluster, server: &str) -> Result<String> {
    let shown = ask(cluster, NAMESPACE, server, &["localauthority", "x509", "show"])?;
    let active = shown.pointer("/active/authority_id").and_then(Value::as_str);
    Ok(active.with_context(|| format!("no active authority in {shown}"))?.to_owned())
}

/// ID and serial number of the workload's X.509-SVID.
fn serials(cluster: &Cluster) -> Result<String> {
    let fetched = WORKLOAD.exec(cluster, &["workload", "fetch", SOCKET])?;
    ensure!(fetched.exit == 0, "{fetched}");
    Ok(fetched.stdout)
}
