//! What single changes cost, and that they end where a fresh look at everything ends.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use steeple_registration::desired::Standing;
use steeple_registration::{Change, Desired, PodKey, RuleKey, RuleKind};
use steeple_types::TrustDomain;

use crate::common::{Config, EntryText, change, desired, key, observe, settings};

const PODS: usize = 2_000;

fn namespace(name: &str, team: &str) -> Value {
    json!({"kind": "Namespace", "metadata": {"name": name, "labels": {"team": team}}})
}

fn node(name: &str, zone: &str) -> Value {
    json!({"kind": "Node", "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": {"zone": zone}}, "spec": {}})
}

fn pod(name: &str, namespace: &str, app: &str, node: &str) -> Value {
    json!({"kind": "Pod", "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{namespace}-{name}"),
        "labels": {"app": app}}, "spec": {"serviceAccountName": "sa", "nodeName": node, "containers": []}})
}

fn rule(name: &str, template: &str, spec: &Value) -> Value {
    let mut all = json!({"spiffeIDTemplate": template});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"apiVersion": "spire.spiffe.io/v1alpha1", "kind": "ClusterSPIFFEID", "metadata": {"name": name,
        "uid": format!("uid-{name}"), "creationTimestamp": "2024-01-01T00:00:00Z"}, "spec": all})
}

/// 2,000 pods on 20 nodes, of which each of 10 apps has a tenth; one rule for all, one for app 1, one for another namespace.
fn big() -> Desired {
    let mut desired = Desired::new(settings(&Config::default()));
    let mut objects = vec![namespace("shop", "a"), namespace("bank", "b")];
    objects.extend((0..20).map(|at| node(&format!("node-{at}"), "z")));
    objects.push(rule("all", "spiffe://example.org/all/{{ .PodMeta.Name }}", &json!({})));
    let app = json!({"podSelector": {"matchLabels": {"app": "app-1"}}});
    objects.push(rule("app", "spiffe://example.org/app/{{ .PodMeta.Name }}", &app));
    let bank = json!({"namespaceSelector": {"matchLabels": {"team": "b"}}});
    objects.push(rule("bank", "spiffe://example.org/bank/{{ .PodMeta.Name }}", &bank));
    for object in &objects {
        desired.apply(change(object));
    }
    for at in 0..PODS {
        let pod = pod(&format!("pod-{at}"), "shop", &format!("app-{}", at % 10), &format!("node-{}", at % 20));
        desired.apply(change(&pod));
    }
    desired
}

/// Renderings that `changes` cost, and entries that they concern.
fn cost(desired: &mut Desired, change: Change) -> (u64, usize) {
    let before = desired.renderings();
    let touched = desired.apply(change);
    (desired.renderings() - before, touched.entries.len())
}

#[test]
fn a_change_costs_what_it_concerns() {
    let mut desired = big();
    // Every pod by the rule for all, a tenth by the other: nothing is rendered twice.
    assert_eq!(desired.renderings(), 2_200);
    assert_eq!(desired.entries().count(), 2_200);
    assert_eq!(cost(&mut desired, change(&pod("new", "shop", "app-1", "node-1"))), (2, 2));
    assert_eq!(cost(&mut desired, change(&pod("new", "shop", "app-1", "node-1"))), (0, 0));
    let mut status = pod("new", "shop", "app-1", "node-1");
    status["metadata"]["resourceVersion"] = json!("77");
    status["metadata"]["managedFields"] = json!([{"manager": "kubelet"}]);
    status["status"] = json!({"phase": "Running"});
    assert_eq!(cost(&mut desired, change(&status)), (0, 0), "a pod's status is nothing to rules");
    assert_eq!(cost(&mut desired, change(&pod("new", "shop", "app-2", "node-1"))), (1, 1), "one entry is gone");
    let gone = PodKey { namespace: "shop".to_owned(), name: "new".to_owned() };
    assert_eq!(cost(&mut desired, Change::PodGone(gone)), (0, 1));
    let mut heartbeat = node("node-3", "z");
    heartbeat["status"] = json!({"conditions": []});
    heartbeat["metadata"]["resourceVersion"] = json!("99");
    assert_eq!(cost(&mut desired, change(&heartbeat)), (0, 0), "a node's status is nothing to rules");
    assert_eq!(cost(&mut desired, change(&node("node-3", "y"))).0, 100, "a node's labels concern the pods on it");
    let app = json!({"podSelector": {"matchLabels": {"app": "app-1"}}, "hint": "h"});
    let changed = rule("app", "spiffe://example.org/app/{{ .PodMeta.Name }}", &app);
    assert_eq!(cost(&mut desired, change(&changed)), (200, 200), "a rule concerns its pods");
    assert_eq!(cost(&mut desired, change(&namespace("bank", "c"))), (0, 0));
    assert_eq!(cost(&mut desired, change(&namespace("shop", "b"))), (2_000, 2_000), "one more rule is for them");
}

#[test]
fn pods_that_come_and_go_leave_nothing() {
    let mut desired = big();
    for at in 0..PODS {
        let key = PodKey { namespace: "shop".to_owned(), name: format!("pod-{at}") };
        desired.apply(Change::PodGone(key));
    }
    assert_eq!(desired.renderings(), 2_200, "a pod that goes costs no rendering");
    assert_eq!(desired.entries().count(), 0);
    let rule = RuleKey { kind: RuleKind::ClusterSpiffeId, namespace: String::new(), name: "all".to_owned() };
    let counts = desired.counts(&rule).unwrap();
    assert_eq!((counts.pods_selected, counts.entries_to_set, counts.entries_masked), (0, 0, 0));
}

#[test]
fn a_pod_that_gets_nothing_is_told_why() {
    let mut desired = desired(&Config::default(), &[namespace("shop", "a"), node("node-1", "z")]);
    let key = PodKey { namespace: "shop".to_owned(), name: "a".to_owned() };
    assert!(matches!(desired.standing(&key), Standing::Unknown));
    desired.apply(change(&pod("a", "shop", "x", "node-1")));
    assert!(matches!(desired.standing(&key), Standing::NoRule));
    let touched = desired.apply(change(&rule("bad", "spiffe://other.org/x", &json!({}))));
    assert_eq!(touched.failures.len(), 1);
    let Standing::Failed(failures) = desired.standing(&key) else { panic!() };
    assert!(failures[0].reason.to_string().contains("expected trust domain example.org"));
    desired.apply(change(&rule("good", "spiffe://example.org/x", &json!({}))));
    assert!(matches!(desired.standing(&key), Standing::Entitled(entries) if entries.len() == 1));
}

#[test]
fn the_older_object_federates() {
    let federated = |name: &str, created: &str, url: &str| {
        json!({"apiVersion": "spire.spiffe.io/v1alpha1", "kind": "ClusterFederatedTrustDomain", "metadata": {"name": name,
            "uid": name, "creationTimestamp": created}, "spec": {"trustDomain": "b.org", "bundleEndpointURL": url,
            "bundleEndpointProfile": {"type": "https_web"}}})
    };
    let young = federated("young", "2024-02-01T00:00:00Z", "https://young/");
    let old = federated("old", "2024-01-01T00:00:00Z", "https://old/");
    let mut desired = desired(&Config::default(), &[young.clone(), old.clone()]);
    let domain = TrustDomain::parse("b.org").unwrap();
    let url = |desired: &Desired| {
        desired.relationship(&domain).map(|(_, wanted)| wanted.relationship.bundle_endpoint_url.clone())
    };
    assert_eq!(url(&desired).as_deref(), Some("https://old/"));
    assert!(desired.problem(&key(&young).unwrap()).unwrap().to_string().contains("goes first"));
    let touched = desired.apply(Change::RuleGone(key(&old).unwrap()));
    assert!(touched.trust_domains.contains(&domain));
    assert_eq!(url(&desired).as_deref(), Some("https://young/"));
    desired.apply(change(&federated("young", "2024-02-01T00:00:00Z", "http://young/")));
    assert_eq!(url(&desired), None);
    assert!(desired.problem(&key(&young).unwrap()).unwrap().to_string().contains("scheme must be https"));
}

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[test]
fn changes_end_where_a_fresh_look_ends() {
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let mut desired = Desired::new(settings(&Config::default()));
        let mut objects: BTreeMap<String, Value> = BTreeMap::new();
        let mut shown: BTreeMap<String, EntryText> = BTreeMap::new();
        for step in 0..250 {
            let (name, object) = roll_object(&mut dice);
            let touched = if objects.contains_key(&name) && dice.roll(3) == 0 {
                objects.remove(&name);
                desired.apply(gone(&object))
            } else {
                let touched = desired.apply(change(&object));
                objects.insert(name, object);
                touched
            };
            // Who follows only what is told to be touched knows the same as who looks at all.
            for key in touched.entries {
                match desired.entry(&key) {
                    Some(claimed) => shown.insert(format!("{key:?}"), EntryText::of(claimed.entry)),
                    None => shown.remove(&format!("{key:?}")),
                };
            }
            if step % 10 == 0 {
                let all: Vec<Value> = objects.values().cloned().collect();
                let fresh = observe(&self::desired(&Config::default(), &all), &all);
                assert_eq!(observe(&desired, &all), fresh, "seed {seed}, step {step}");
                let mut shown: Vec<EntryText> = shown.values().cloned().collect();
                shown.sort();
                assert_eq!(shown, fresh.entries, "seed {seed}, step {step}: what was told");
            }
        }
    }
}

fn roll_object(dice: &mut Dice) -> (String, Value) {
    let spaces = ["shop", "bank"];
    let space = spaces[usize::try_from(dice.roll(2)).unwrap()];
    let at = dice.roll(4);
    let app = format!("app-{}", dice.roll(2));
    let on = format!("node-{}", dice.roll(2));
    let object = match dice.roll(8) {
        0 => namespace(space, ["a", "b"][usize::try_from(dice.roll(2)).unwrap()]),
        1 => node(&on, ["y", "z"][usize::try_from(dice.roll(2)).unwrap()]),
        2 | 3 => pod(&format!("pod-{at}"), space, &app, &on),
        4 => {
            let mut reference =
                json!({"ip": "10.0.0.1", "targetRef": {"kind": "Pod", "uid": format!("uid-{space}-pod-{at}")}});
            reference["nodeName"] = json!(on);
            json!({"kind": "Endpoints", "metadata": {"name": format!("svc-{}", dice.roll(2)), "namespace": space},
                "subsets": [{"addresses": [reference]}]})
        }
        5 | 6 => roll_rule(dice, &app),
        _ => {
            let uid = format!("uid-{space}-pod-{at}");
            json!({"apiVersion": "spire.spiffe.io/v1alpha1", "kind": "ClusterStaticEntry", "metadata": {"name": "s",
                "uid": "s", "creationTimestamp": "2024-01-02T00:00:00Z"}, "spec": {"spiffeID": "spiffe://example.org/t0",
                "parentID": format!("spiffe://example.org/spire/agent/k8s_psat/demo-cluster/uid-{on}"),
                "selectors": [format!("k8s:pod-uid:{uid}")], "hint": "static"}})
        }
    };
    let metadata = &object["metadata"];
    let name = format!("{}/{}/{}", object["kind"], metadata["namespace"], metadata["name"]);
    (name, object)
}

fn roll_rule(dice: &mut Dice, app: &str) -> Value {
    let templates = [
        "spiffe://example.org/t0",
        "spiffe://example.org/t1",
        "spiffe://example.org/{{ .NodeMeta.Labels.zone }}",
        "{{ .PodMeta.Nope }}",
    ];
    let template = templates[usize::try_from(dice.roll(4)).unwrap()];
    let mut spec = json!({"hint": format!("h{}", dice.roll(2)), "autoPopulateDNSNames": dice.roll(2) == 0, "fallback": dice.roll(3) == 0});
    if dice.roll(2) == 0 {
        spec["podSelector"] = json!({"matchLabels": {"app": app}});
    }
    if dice.roll(3) == 0 {
        spec["namespaceSelector"] = json!({"matchLabels": {"team": "a"}});
    }
    let mut rule = rule(&format!("rule-{}", dice.roll(4)), template, &spec);
    rule["metadata"]["creationTimestamp"] = json!(format!("2024-01-0{}T00:00:00Z", 1 + dice.roll(3)));
    rule
}

fn gone(object: &Value) -> Change {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    match object["kind"].as_str().unwrap() {
        "Pod" => Change::PodGone(PodKey { namespace: text("namespace"), name: text("name") }),
        "Namespace" => Change::NamespaceGone(text("name")),
        "Node" => Change::NodeGone(text("name")),
        "Endpoints" => Change::EndpointsGone(text("namespace"), text("name")),
        _ => Change::RuleGone(key(object).unwrap()),
    }
}
