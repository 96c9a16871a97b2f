//! What asks an API server says so: each module that makes calls by `kube` has its `PERMISSIONS`, which name each resource
//! that it asks for.

use std::collections::BTreeMap;
use std::fs::{read_dir, read_to_string};
use std::path::Path;

use crate::run;

/// Sources of a crate by the module at the crate's root that they belong to, tests left out.
fn modules(folder: &Path, under: Option<&str>, found: &mut BTreeMap<String, String>) {
    let entries = read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let module = under.unwrap_or(&name).to_owned();
        if name == "tests" || name == "testing" {
            continue;
        }
        if path.is_dir() {
            modules(&path, Some(&module), found);
        } else if let Ok(text) = read_to_string(&path) {
            found.entry(module).or_default().push_str(&text);
        }
    }
}

/// Resources that a source asks for by `Api::<Kind>` or `Api<Kind>`; names of one letter are parameters.
fn asked(text: &str) -> Vec<String> {
    let typed = text.split("Api<").skip(1).chain(text.split("Api::<").skip(1));
    let kinds = typed.filter_map(|rest| rest.split_once('>')).map(|(kind, _)| kind);
    let mut resources: Vec<String> = kinds.filter(|kind| kind.len() > 1).map(plural).collect();
    resources.sort();
    resources.dedup();
    resources
}

/// As Kubernetes makes plurals of kinds.
fn plural(kind: &str) -> String {
    let kind = kind.rsplit(':').next().unwrap_or_default().to_lowercase();
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}

#[test]
fn what_asks_an_api_server_says_so() {
    let crates = read_dir(run::root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut asking = Vec::new();
    for folder in crates.filter(|folder| !folder.ends_with("k8s")) {
        let mut sources = BTreeMap::new();
        modules(&folder.join("src"), None, &mut sources);
        for (module, text) in sources.iter().filter(|(_, text)| text.contains("use kube::")) {
            let place = format!("{}, module {module}", folder.display());
            let resources = asked(text);
            if resources.is_empty() {
                continue;
            }
            assert!(text.contains("PERMISSIONS: &[Permission]"), "{place} asks for {resources:?} without PERMISSIONS");
            for resource in resources {
                assert!(text.contains(&format!("{resource:?}")), "{place} asks for {resource}: PERMISSIONS don't tell");
            }
            asking.push(place);
        }
    }
    assert!(asking.len() >= 4, "only {asking:?} ask: is the look at sources broken?");
}

#[test]
fn kinds_have_the_plurals_of_kubernetes() {
    for (kind, resource) in
        [("Pod", "pods"), ("v1::NetworkPolicy", "networkpolicies"), ("IngressClass", "ingressclasses")]
    {
        assert_eq!(plural(kind), resource);
    }
    assert_eq!(asked("Api::<Pod>::all(c); Api::<K>::all(c); api: Api<Lease>"), ["leases", "pods"]);
}
