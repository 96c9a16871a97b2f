//! What a pod may not become by what it says of itself.

use anyhow::{Context as _, Result, ensure};
use steeple_tests_cluster::{Case, Entry, SLEEP, Workload, case, id, peer};

/// The victim of `namespace`, with an identity of its own.
fn victim<'n>(case: &Case<'_>, namespace: &'n str) -> Result<Workload<'n>> {
    let victim = Workload { namespace, name: "victim", script: SLEEP };
    let path = format!("ns/{namespace}/sa/victim");
    let namespaced = format!("k8s:ns:{namespace}");
    case.entry(Entry { path: &path, selectors: &[&namespaced, "k8s:sa:victim", "k8s:pod-label:app:victim"] })?;
    victim.start(case.cluster)?;
    victim.await_id(case.cluster, &id(&path))?;
    Ok(victim)
}

#[test]
fn label_and_name_of_another_namespaces_pod_give_nothing() {
    case("label", |case| {
        let (ours, theirs) = (case.namespace("ours")?, case.namespace("theirs")?);
        victim(case, &ours)?;
        // Name, service account and labels are the victim's.
        let copy = Workload { namespace: &theirs, name: "victim", script: SLEEP };
        copy.start(case.cluster)?;
        let refusal = copy.ids(case.cluster)?;
        ensure!(refusal.exit != 0 && refusal.stderr.contains("no identity issued"), "{refusal}");
        Ok(())
    });
}

#[test]
fn forged_control_group_gives_nothing_of_another_pod() {
    case("forged", |case| {
        let Some(node) = case.cluster.node()? else { return Ok(()) };
        let namespace = case.namespace("a")?;
        let victim = victim(case, &namespace)?;
        let forger = Workload { namespace: &namespace, name: "forger", script: SLEEP };
        forger.start(case.cluster)?;
        let folder = tempfile::tempdir()?;
        let agent = folder.path().join("spire-agent");
        std::os::unix::fs::symlink(peer::path("steeple")?.canonicalize()?, &agent)?;
        let fetch = |group: &str| {
            let agent = agent.display();
            let script = format!(
                "for at in /sys/fs/cgroup/*; do
                   mkdir -p $at{group} || continue
                   [ ! -e $at/cpuset.cpus ] || for file in cpuset.cpus cpuset.mems; do
                     at_=$at; for part in $(echo {group} | tr / ' '); do
                       at_=$at_/$part; [ -n \"$(cat $at_/$file)\" ] || cat $at/$file >$at_/$file
                     done
                   done
                   echo $$ >$at{group}/cgroup.procs
                 done
                 exec {agent} api fetch x509 -socketPath /run/steeple/agent-sockets/spire-agent.sock"
            );
            node.exec(&["sh", "-c", &script])
        };
        let own = victim.control_group(case.cluster)?;
        let honest = fetch(&own)?;
        let stolen = id(&format!("ns/{namespace}/sa/victim"));
        ensure!(honest.stdout.contains(&stolen), "the victim's own processes are served: {honest}");
        // What root in a container can do: make groups below its own, with any names.
        let forged = forger.control_group(case.cluster)? + &own;
        let refusal = fetch(&forged)?;
        ensure!(refusal.exit != 0 && !refusal.stdout.contains("spiffe://"), "{refusal}");
        Ok(())
    });
}

#[test]
fn agent_has_no_identity_of_another_nodes_pods() {
    case("other-node", |case| {
        let namespace = case.namespace("a")?;
        let pod = Workload { namespace: &namespace, name: "sample", script: SLEEP };
        let selectors = [format!("k8s:ns:{namespace}"), "k8s:sa:sample".to_owned()];
        let elsewhere = id("spire/agent/k8s_psat/demo-cluster/another-node");
        let stolen = id(&format!("ns/{namespace}/elsewhere"));
        case.server(&[
            "entry",
            "create",
            "-spiffeID",
            &stolen,
            "-parentID",
            &elsewhere,
            "-selector",
            &selectors[0],
            "-selector",
            &selectors[1],
        ])?;
        let here = format!("ns/{namespace}/here");
        case.entry(Entry { path: &here, selectors: &[&selectors[0], &selectors[1]] })?;
        pod.start(case.cluster)?;
        // Both entries were made before; the agent has the later one, and only that.
        pod.await_id(case.cluster, &id(&here)).context("the identity of this node's entry alone")
    });
}
