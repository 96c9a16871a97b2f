//! Go SPIRE and steeple beside each other on one node: they attest to each other, and tell the same of the same pods.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use steeple_tests_cluster::{Case, Outcome, case_with, id, until};

/// Programs of Go SPIRE.
const PEERS: &[&str] = &["spire-agent", "spire-server"];
/// The agents of the case, and what their sockets are called.
const AGENTS: [(&str, &str); 2] = [("go-agent", "go.sock"), ("our-agent", "our.sock")];

type Selectors = BTreeSet<String>;

#[test]
fn go_spire_and_ours_tell_the_same_of_the_same_pods() {
    case_with("differential", PEERS, |case| {
        let namespace = case.namespace("peers")?;
        case.load_go_spire()?;
        for manifest in
            [include_str!("../../manifests/differential.yaml"), include_str!("../../manifests/several.yaml")]
        {
            case.cluster.apply(&manifest.replace("NAMESPACE", &namespace), &[])?;
        }
        let peers = Peers { case, namespace: &namespace };
        peers.go_agent_is_attested_by_our_server()?;
        peers.our_agent_is_attested_by_go_server()?;
        peers.selectors_of_containers_are_the_same()?;
        peers.ephemeral_container_has_its_pods_selectors()
    });
}

struct Peers<'c> {
    case: &'c Case<'c>,
    namespace: &'c str,
}

impl Peers<'_> {
    fn go_agent_is_attested_by_our_server(&self) -> Result<()> {
        let uid = self.uid("go-agent")?;
        let agent = id(&format!("spire/agent/k8s_psat/demo-cluster-pods/pod/{uid}"));
        let shown =
            until::ok("Go's agent at our server", || self.case.server(&["agent", "show", "-spiffeID", &agent]))?;
        ensure!(selectors(&shown)? == self.of_agent("demo-cluster-pods", "go-agent")?, "{shown}");
        let entry = ["entry", "create", "-spiffeID", &id("differential/go"), "-parentID", &agent];
        self.case.server(&[&entry[..], &["-selector", "k8s:sa:several"]].concat())?;
        self.has_identity("go.sock", &id("differential/go"))
    }

    fn our_agent_is_attested_by_go_server(&self) -> Result<()> {
        let node = self.case.cluster.json(&["get", "nodes"])?;
        let uid = text(&node, "/items/0/metadata/uid")?;
        let agent = id(&format!("spire/agent/k8s_psat/demo-cluster/{uid}"));
        let shown = until::ok("our agent at Go's server", || self.go_server(&["agent", "show", "-spiffeID", &agent]))?;
        ensure!(selectors(&shown)? == self.of_agent("demo-cluster", "our-agent")?, "{shown}");
        let entry = ["entry", "create", "-spiffeID", &id("differential/ours"), "-parentID", &agent];
        self.go_server(&[&entry[..], &["-selector", "k8s:sa:several"]].concat())?;
        self.has_identity("our.sock", &id("differential/ours"))
    }

    fn selectors_of_containers_are_the_same(&self) -> Result<()> {
        let (pod, uid) = self.several()?;
        for container in ["one", "two", "beside"] {
            let told = until::ok("selectors of both", || {
                let [of_go, ours] = AGENTS.map(|(agent, socket)| -> Result<Selectors> {
                    self.ids(&pod, container, socket)?;
                    let name = format!("container-name:{container}");
                    self.told(agent, &uid)?.pop_if_has(&name).with_context(|| format!("{agent} knows no {container}"))
                });
                let (of_go, ours) = (of_go?, ours?);
                ensure!(of_go == ours, "of Go {of_go:#?}\nours {ours:#?}");
                Ok(ours)
            })?;
            for kind in
                ["pod-owner:ReplicaSet:several-", "pod-label:example.org/tier:gold_1.2-x", "pod-init-image-count:2"]
            {
                ensure!(told.iter().any(|selector| selector.starts_with(kind)), "{kind} is not among {told:#?}");
            }
        }
        Ok(())
    }

    /// Which Go SPIRE does not know.
    fn ephemeral_container_has_its_pods_selectors(&self) -> Result<()> {
        let (pod, uid) = self.several()?;
        let container = r#"{"spec": {"ephemeralContainers": [{"name": "debug", "image": "workload:local",
            "imagePullPolicy": "Never", "command": ["/bin/sh", "-c", "while :; do sleep 1; done"],
            "volumeMounts": [{"name": "sockets", "mountPath": "/sockets"}]}]}}"#;
        let patch = ["patch", "pod", &pod, "--subresource=ephemeralcontainers", "-p", container];
        self.kubectl(&patch)?;
        let of_pod = |selectors: Selectors| -> Selectors {
            selectors.into_iter().filter(|selector| !selector.starts_with("container-")).collect()
        };
        until::ok("selectors of an ephemeral container", || {
            self.ids(&pod, "debug", "our.sock")?;
            let told = self.told("our-agent", &uid)?;
            let debug = told.clone().pop_if_has("container-name:debug").context("no container debug")?;
            let one = told.clone().pop_if_has("container-name:one").context("no container one")?;
            ensure!(of_pod(debug.clone()) == of_pod(one), "{debug:#?}");
            Ok(())
        })
    }

    /// The selectors that an agent's log has of a pod's callers.
    fn told(&self, agent: &str, uid: &str) -> Result<Told> {
        let log = self.kubectl(&["logs", agent, "--tail=-1"])?;
        let lines = log.lines().filter(|line| line.contains("PID attested to have selectors"));
        let of_pod = format!("pod-uid:{uid}");
        let sets = lines.map(|line| {
            let values = line.split(r#"value:\""#).skip(1).filter_map(|rest| rest.split(r#"\""#).next());
            values.map(str::to_owned).collect::<Selectors>()
        });
        Ok(Told(sets.filter(|set| set.contains(&of_pod)).collect()))
    }

    /// What the node attestor tells of an agent's pod.
    fn of_agent(&self, cluster: &str, pod: &str) -> Result<Selectors> {
        let node = self.case.cluster.json(&["get", "nodes"])?;
        let (name, uid) = (text(&node, "/items/0/metadata/name")?, text(&node, "/items/0/metadata/uid")?);
        let agent = self.json(&["get", "pod", pod])?;
        let values = [
            format!("cluster:{cluster}"),
            format!("agent_ns:{}", self.namespace),
            format!("agent_sa:{pod}"),
            format!("agent_pod_name:{pod}"),
            format!("agent_pod_uid:{}", text(&agent, "/metadata/uid")?),
            format!("agent_node_ip:{}", text(&agent, "/status/hostIP")?),
            format!("agent_node_name:{name}"),
            format!("agent_node_uid:{uid}"),
            format!("agent_pod_label:app:{pod}"),
            format!("agent_node_label:kubernetes.io/hostname:{name}"),
        ];
        Ok(values.into_iter().collect())
    }

    fn has_identity(&self, socket: &str, wanted: &str) -> Result<()> {
        let (pod, _) = self.several()?;
        until::ok(wanted, || {
            let outcome = self.ids(&pod, "one", socket)?;
            ensure!(outcome.exit == 0 && outcome.stdout.trim() == wanted, "{outcome}");
            Ok(())
        })
    }

    /// Name and UID of the pod whose callers are attested, when it runs.
    fn several(&self) -> Result<(String, String)> {
        self.kubectl(&["rollout", "status", "deployment/several", "--timeout=180s"])?;
        let pods = self.json(&["get", "pods", "-l", "app=several"])?;
        Ok((text(&pods, "/items/0/metadata/name")?, text(&pods, "/items/0/metadata/uid")?))
    }

    fn ids(&self, pod: &str, container: &str, socket: &str) -> Result<Outcome> {
        let socket = format!("/sockets/{socket}");
        let exec = ["-n", self.namespace, "exec", pod, "-c", container, "--", "workload", "ids", &socket];
        self.case.cluster.kubectl(&exec)
    }

    fn uid(&self, pod: &str) -> Result<String> {
        text(&self.json(&["get", "pod", pod])?, "/metadata/uid")
    }

    fn go_server(&self, arguments: &[&str]) -> Result<Value> {
        let exec = ["exec", "go-server", "--", "/opt/spire/bin/spire-server"];
        let printed = self.kubectl(&[&exec, arguments, &["-output", "json"]].concat())?;
        serde_json::from_str(&printed).with_context(|| format!("{arguments:?} printed {printed}"))
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.case.cluster.ok(&[&["-n", self.namespace], arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        self.case.cluster.json(&[&["-n", self.namespace], arguments].concat())
    }
}

/// Sets of selectors, the latest last.
#[derive(Clone)]
struct Told(Vec<Selectors>);

impl Told {
    /// The latest set that has `selector`.
    fn pop_if_has(mut self, selector: &str) -> Option<Selectors> {
        let at = self.0.iter().rposition(|set| set.contains(selector))?;
        Some(self.0.swap_remove(at))
    }
}

fn selectors(shown: &Value) -> Result<Selectors> {
    let found = shown.pointer("/agent/selectors").or_else(|| shown.pointer("/selectors")).and_then(Value::as_array);
    let found = found.with_context(|| format!("no selectors in {shown}"))?;
    let values = found.iter().filter_map(|selector| selector.get("value")?.as_str().map(str::to_owned));
    Ok(values.collect())
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    Ok(found.with_context(|| format!("no {pointer} in {value}"))?.to_owned())
}
