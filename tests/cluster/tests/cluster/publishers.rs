//! Where a server publishes its bundle: with no more permissions than its code tells.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use steeple_k8s::{Permission, Scope};
use steeple_publish::{cluster_trust_bundle, configmap, k8sbundle};
use steeple_tests_cluster::{Case, case, until};

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// All that the plugins of the server say that they ask for.
fn permissions() -> impl Iterator<Item = &'static Permission> {
    [
        configmap::PERMISSIONS,
        cluster_trust_bundle::PERMISSIONS,
        k8sbundle::PERMISSIONS,
        k8sbundle::WEBHOOK_PERMISSIONS,
        k8sbundle::API_SERVICE_PERMISSIONS,
    ]
    .into_iter()
    .flatten()
}

fn rules(scope: Scope) -> Vec<Value> {
    let rule = |permission: &Permission| {
        json!({
            "apiGroups": [permission.group], "resources": [permission.resource],
            "resourceNames": permission.names, "verbs": permission.verbs,
        })
    };
    permissions().filter(|permission| permission.scope == scope).map(rule).collect()
}

fn authorities(text: &str) -> usize {
    text.matches(CERTIFICATE).count()
}

/// Waits until this part of an object is as it should be.
fn shows(case: &Case<'_>, object: &[&str], pointer: &str, fits: impl Fn(&str) -> bool) -> Result<String> {
    until::ok(&object.join(" "), || {
        let found = case.cluster.json(&[&["get"], object].concat())?;
        let text =
            found.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no {pointer} in {found}"))?;
        ensure!(fits(text), "{object:?} has\n{text}");
        Ok(text.to_owned())
    })
}

#[test]
fn bundle_is_published_in_every_way_and_again_when_it_changes() {
    case("publishers", |case| {
        let namespace = case.namespace("server")?;
        let carriers = include_str!("../../manifests/publishers-carriers.yaml").replace("NAMESPACE", &namespace);
        case.cluster.apply(&carriers.replace("HOOK", "early"), &[])?;
        let mut of_cluster = rules(Scope::Cluster);
        of_cluster.push(json!({
            "apiGroups": ["certificates.k8s.io"], "resources": ["signers"],
            "resourceNames": ["example.org/publishers"], "verbs": ["attest"],
        }));
        let server = include_str!("../../manifests/publishers.yaml")
            .replace("NAMESPACED_RULES", &json!(rules(Scope::OwnNamespace)).to_string())
            .replace("CLUSTER_RULES", &json!(of_cluster).to_string())
            .replace("NAMESPACE", &namespace);
        case.cluster.apply(&server, &[])?;
        let result = publishes(case, &namespace, &carriers);
        let leftovers = "clusterroles,clusterrolebindings,validatingwebhookconfigurations";
        case.cluster.ok(&["delete", leftovers, "-l", "steeple-case=publishers"])?;
        case.cluster.ok(&["delete", "clustertrustbundle", "example.org:publishers:v1", "--ignore-not-found"])?;
        result
    });
}

fn publishes(case: &Case<'_>, namespace: &str, carriers: &str) -> Result<()> {
    let config_map = ["-n", namespace, "configmap", "steeple-bundle"];
    let hook = format!("{namespace}-early");
    let late = format!("{namespace}-late");
    let bundle = shows(case, &config_map, "/data/bundle.crt", |text| authorities(text) >= 1)?;
    shows(case, &["clustertrustbundle", "example.org:publishers:v1"], "/spec/trustBundle", |text| text == bundle)?;
    let webhook = "/webhooks/0/clientConfig/caBundle";
    let carried = shows(case, &["validatingwebhookconfiguration", &hook], webhook, |text| !text.is_empty())?;
    // One that comes later is seen by the watch, before the bundle changes.
    case.cluster.apply(&carriers.replace("HOOK", "late"), &[])?;
    shows(case, &["validatingwebhookconfiguration", &late], webhook, |text| text == carried)?;
    let document = shows(case, &config_map, "/data/bundle.json", |text| text.contains("x509-svid"))?;
    let document: Value = serde_json::from_str(&document)?;
    ensure!(document.get("spiffe_refresh_hint") == Some(&json!(300)), "{document}");
    // The next authority is prepared at half of the life of the first.
    shows(case, &config_map, "/data/bundle.crt", |text| authorities(text) >= 2)?;
    shows(case, &["clustertrustbundle", "example.org:publishers:v1"], "/spec/trustBundle", |text| {
        authorities(text) >= 2
    })?;
    shows(case, &["validatingwebhookconfiguration", &hook], webhook, |text| text != carried)?;
    shows(case, &config_map, "/data/other", |text| text == "stays").map(drop)
}
