//! Manifests and chart, each on a cluster of its own: from nothing to identities, and to another version and back.

#[path = "deploy/federated.rs"]
mod federated;
#[path = "deploy/guide.rs"]
mod guide;
#[path = "deploy/helm.rs"]
mod helm;
#[path = "deploy/load.rs"]
mod load;
#[path = "deploy/nested.rs"]
mod nested;
#[path = "deploy/oidc.rs"]
mod oidc;
#[path = "deploy/postgres.rs"]
mod postgres;
#[path = "deploy/releases.rs"]
mod releases;
#[path = "deploy/restricted.rs"]
mod restricted;
#[path = "deploy/svid.rs"]
mod svid;
#[path = "deploy/two_servers.rs"]
mod two_servers;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use helm::Helm;
use serde_json::{Value, json};
use steeple_tests_cluster::{
    Cluster, NAMESPACE, Node, Outcome, SLEEP, SOCKET, Workload, agents, bare, id, rolled_out, server, until,
};

const WORKLOADS: [Workload<'static>; 2] = [
    Workload {
        namespace: "north",
        name: "server",
        script: "exec workload serve /spiffe/spire-agent.sock 0.0.0.0:9443",
    },
    Workload { namespace: "south", name: "client", script: SLEEP },
];

#[test]
fn manifests_lead_from_nothing_to_identities() {
    bare("manifests", &[], |cluster| {
        let manifests = repository("deploy/manifests")?;
        cluster.ok(&["apply", "-k", &manifests])?;
        is_up(cluster)?;
        let agent = agent(cluster)?;
        ensure!(agent.contains("/spire/agent/k8s_psat/demo-cluster/"), "{agent}");
        start_workloads(cluster, &agent)?;
        sample_has_its_identity(cluster)?;
        restricted::admits(cluster, NAMESPACE, "statefulset/steeple-server")?;
        strangers_do_not_reach_the_server(cluster)?;
        applied_again_changes_nothing(cluster, &manifests)?;
        identities_are_of_objects(cluster)?;
        pod_in_vain_is_told_why(cluster)?;
        let Some(node) = cluster.node()? else { return Ok(()) };
        kills_are_not_felt(cluster, node)?;
        other_kinds_of_objects_are_told_their_state(cluster)?;
        steeple_tests_cluster::audit::roles_fit(cluster)
    });
}

#[test]
fn chart_is_upgraded_rolled_back_and_removed_without_a_loss() {
    bare("chart", &["helm"], |cluster| {
        let helm = Helm::of(cluster, NAMESPACE);
        helm.run(&["install", "steeple", "--create-namespace"])?;
        is_up(cluster)?;
        let agent = agent(cluster)?;
        start_workloads(cluster, &agent)?;
        let before = kept(cluster)?;
        load::during(cluster, WORKLOADS, || {
            helm.run(&["upgrade", "steeple", "--set", "server.logLevel=DEBUG,agent.logLevel=DEBUG"])?;
            is_up(cluster)?;
            let configuration = cluster.ok(&["-n", NAMESPACE, "get", "configmap", "steeple-server", "-o", "yaml"])?;
            ensure!(configuration.contains("log_level = \"DEBUG\""), "{configuration}");
            ensure!(kept(cluster)? == before, "lost by the upgrade: {before}");
            helm.rollback()?;
            is_up(cluster)?;
            ensure!(kept(cluster)? == before, "lost by the rollback: {before}");
            Ok(())
        })?;
        helm.uninstall()?;
        cluster.ok(&["get", "crd", "clusterspiffeids.spire.spiffe.io"])?;
        helm.run(&["install", "steeple"])?;
        is_up(cluster)?;
        ensure!(kept(cluster)? == before, "lost by removing: {before}");
        WORKLOADS.iter().try_for_each(|workload| workload.await_id(cluster, &id(&path(workload))))
    });
}

/// Every object stays as it is, and says so; but of a disruption budget kubectl sends the selector each time, changed or not.
fn applied_again_changes_nothing(cluster: &Cluster, manifests: &str) -> Result<()> {
    let said = cluster.ok(&["apply", "-k", manifests])?;
    let is_same = |line: &&str| line.ends_with(" unchanged") || line.starts_with("poddisruptionbudget.policy/");
    let changed: Vec<&str> = said.lines().filter(|line| !is_same(line)).collect();
    ensure!(changed.is_empty(), "changed by being applied again: {changed:#?}");
    Ok(())
}

/// A tenant's object gives IDs below its namespace's prefix and no others.
fn identities_are_of_objects(cluster: &Cluster) -> Result<()> {
    cluster.ok(&["create", "namespace", "tenant"])?;
    let pod = Workload { namespace: "tenant", name: "pod", script: SLEEP };
    pod.start(cluster)?;
    let none = pod.ids(cluster)?;
    ensure!(none.exit != 0, "an identity that nobody gave: {none}");
    let object = |name: &str, prefix: &str| {
        let template = format!("spiffe://{{{{ .TrustDomain }}}}/ns/{prefix}/of/{{{{ .PodSpec.ServiceAccountName }}}}");
        json!({
            "apiVersion": "steeple.dev/v1alpha1", "kind": "WorkloadIdentity",
            "metadata": { "name": name, "namespace": "tenant" },
            "spec": { "spiffeIDTemplate": template, "podSelector": { "matchLabels": { "app": "pod" } } },
        })
        .to_string()
    };
    let refused = cluster.apply(&object("foreign", "north"), &[]).err().context("another namespace's prefix")?;
    ensure!(format!("{refused:#}").contains("ValidatingAdmissionPolicy"), "{refused:#}");
    cluster.apply(&object("own", "tenant"), &[])?;
    pod.await_id(cluster, &id("ns/tenant/of/pod"))
}

/// A pod that mounts the Workload API and that no object gives an identity is told so by an event.
fn pod_in_vain_is_told_why(cluster: &Cluster) -> Result<()> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "third", "namespace": "tenant", "labels": { "app": "third" } },
        "spec": {
            "containers": [{
                "name": "workload", "image": "workload:local", "imagePullPolicy": "Never",
                "command": ["/bin/sh", "-c", SLEEP],
                "volumeMounts": [{ "name": "spiffe", "mountPath": "/spiffe", "readOnly": true }],
            }],
            "volumes": [{ "name": "spiffe", "csi": { "driver": "csi.spiffe.io", "readOnly": true } }],
        },
    });
    cluster.apply(&pod.to_string(), &[])?;
    until::ok("an event that says why", || {
        let described = cluster.ok(&["-n", "tenant", "describe", "pod", "third"])?;
        ensure!(described.contains("NoIdentity"), "{described}");
        Ok(())
    })
}

/// Whatever is killed, workloads go on calling each other, renewals go on, and nothing is lost.
fn kills_are_not_felt(cluster: &Cluster, node: Node<'_>) -> Result<()> {
    let [_, client] = WORKLOADS;
    let before = kept(cluster)?;
    load::during(cluster, WORKLOADS, || {
        for part in ["steeple-server", "steeple-agent", "steeple-csi"] {
            kill_pod(cluster, part)?;
        }
        node.kill("/opt/spire/bin/steeple controller")?;
        node.restart_kubelet()?;
        until::ok("all parts", || is_up(cluster))?;
        let serial = serial(cluster, client)?;
        kill_pod(cluster, "steeple-server")?;
        until::ok("a renewal", || {
            ensure!(self::serial(cluster, client)? != serial, "still {serial}");
            Ok(())
        })?;
        ensure!(kept(cluster)? == before, "lost by kills: {before}");
        Ok(())
    })
}

/// Kills the pod of a part, and waits until another is up.
fn kill_pod(cluster: &Cluster, part: &str) -> Result<()> {
    let label = format!("app.kubernetes.io/name={part}");
    cluster.ok(&["-n", NAMESPACE, "delete", "pod", "-l", &label, "--force", "--grace-period=0"])?;
    until::ok(part, || is_up(cluster))
}

/// Serial number of a workload's X.509-SVID.
fn serial(cluster: &Cluster, workload: Workload<'_>) -> Result<String> {
    let fetched = workload.exec(cluster, &["workload", "fetch", SOCKET])?;
    ensure!(fetched.exit == 0, "{fetched}");
    Ok(fetched.stdout)
}

/// Entries and relationships of objects are made, changed and told of in their status.
fn other_kinds_of_objects_are_told_their_state(cluster: &Cluster) -> Result<()> {
    let object = |kind: &str, name: &str, spec: Value| {
        let object =
            json!({"apiVersion": "spire.spiffe.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        cluster.apply(&object.to_string(), &[])
    };
    object(
        "ClusterStaticEntry",
        "elsewhere",
        json!({"spiffeID": id("elsewhere"), "parentID": id("spire/server"), "selectors": ["unix:uid:4711"]}),
    )?;
    // The second is added to the record that the first has made.
    for (name, address) in [("one", "https://127.0.0.1:1/one"), ("two", "https://127.0.0.1:1/two")] {
        let spec = json!({
            "trustDomain": format!("{name}.test"), "bundleEndpointURL": address,
            "bundleEndpointProfile": {"type": "https_web"},
        });
        object("ClusterFederatedTrustDomain", name, spec)?;
        until::ok("a relationship", || {
            let relationships = server(cluster, &["federation", "list"])?;
            ensure!(relationships.to_string().contains(address), "{relationships}");
            Ok(())
        })?;
    }
    Ok(())
}

/// Every part has started, and the agent has attested.
fn is_up(cluster: &Cluster) -> Result<()> {
    rolled_out(cluster, "statefulset/steeple-server")?;
    rolled_out(cluster, "daemonset/steeple-agent")?;
    rolled_out(cluster, "daemonset/steeple-csi")?;
    agent(cluster).map(drop)
}

fn agent(cluster: &Cluster) -> Result<String> {
    let agent = until::some("an attested agent", || Ok(agents(cluster)?.into_iter().next()))?;
    let path = agent.pointer("/id/path").and_then(Value::as_str).context("an agent has a path")?;
    Ok(id(path.trim_start_matches('/')))
}

fn path(workload: &Workload<'_>) -> String {
    format!("ns/{}/sa/{}", workload.namespace, workload.name)
}

/// Two workloads of two namespaces that speak with each other.
fn start_workloads(cluster: &Cluster, agent: &str) -> Result<()> {
    for workload in WORKLOADS {
        let spiffe_id = id(&path(&workload));
        let (namespace, account) = (format!("k8s:ns:{}", workload.namespace), format!("k8s:sa:{}", workload.name));
        // Renewed after 75 s, so that a case sees renewals.
        let create = ["entry", "create", "-parentID", agent, "-spiffeID", &spiffe_id, "-x509SVIDTTL", "150"];
        server(cluster, &[&create[..], &["-selector", &namespace, "-selector", &account]].concat())?;
        cluster.ok(&["create", "namespace", workload.namespace])?;
        workload.start(cluster)?;
        workload.await_id(cluster, &spiffe_id)?;
    }
    until::ok("a call by mTLS", || call(cluster, 1).map(drop))
}

/// The sample is ready when it has its X.509-SVID, by a CSI volume, in a namespace that is `restricted`.
fn sample_has_its_identity(cluster: &Cluster) -> Result<()> {
    let (spiffe_id, namespace) = (id("ns/steeple-sample/sa/web"), "steeple-sample");
    cluster.ok(&["apply", "-k", &repository("deploy/manifests/sample")?])?;
    cluster.ok(&["-n", namespace, "rollout", "status", "deployment/web", "--timeout=180s"])?;
    // Ready means that it holds its SVID. The figure is for the reader; nothing is asserted of time.
    let times = "jsonpath={.items[0].status.containerStatuses[0].state.running.startedAt} \
                 {.items[0].status.conditions[?(@.type=='Ready')].lastTransitionTime}";
    println!("sample started, ready: {}", cluster.ok(&["-n", namespace, "get", "pods", "-o", times])?);
    let fetch =
        ["/opt/spire/bin/spire-agent", "api", "fetch", "x509", "-socketPath", "/spiffe-workload-api/spire-agent.sock"];
    let fetched = cluster.ok(&[&["-n", namespace, "exec", "deployment/web", "--"], &fetch[..]].concat())?;
    ensure!(fetched.contains(&spiffe_id), "{fetched}");
    Ok(())
}

/// Calls until the server has shown so many certificates; no call may fail.
fn call(cluster: &Cluster, certificates: usize) -> Result<Outcome> {
    let [server, client] = WORKLOADS;
    let address = format!("{}:9443", server.address(cluster)?);
    let outcome = client.exec(cluster, &["workload", "call", SOCKET, &address, &certificates.to_string()])?;
    ensure!(outcome.exit == 0, "{outcome}");
    Ok(outcome)
}

/// What must outlive every change: entries, and the authorities of the bundle.
fn kept(cluster: &Cluster) -> Result<Value> {
    let entries = server(cluster, &["entry", "show"])?;
    let entries = entries.get("entries").and_then(Value::as_array).context("entries")?;
    let entries: Vec<_> = entries.iter().map(|entry| json!([entry.get("id"), entry.get("spiffe_id")])).collect();
    let bundle = server(cluster, &["bundle", "show"])?;
    Ok(json!([entries, bundle.get("x509_authorities")]))
}

/// Only agents may connect, and nothing else of any namespace.
fn strangers_do_not_reach_the_server(cluster: &Cluster) -> Result<()> {
    let address = ["-n", NAMESPACE, "get", "pod", "steeple-server-0", "-o", "jsonpath={.status.podIP}"];
    let address = cluster.ok(&address)?;
    let [_, client] = WORKLOADS;
    let dial = client.exec(cluster, &["nc", "-w", "2", &address, "8081", "-e", "true"])?;
    ensure!(dial.exit != 0, "a pod of another namespace reached the server: {dial}");
    Ok(())
}

fn repository(path: &str) -> Result<String> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    Ok(folder.canonicalize()?.display().to_string())
}
