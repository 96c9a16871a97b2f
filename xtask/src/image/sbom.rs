//! What the program is made of, as a CycloneDX 1.6 document, from Cargo's own account of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::run;

/// Writes the document: every package that is linked into the program, with licence, checksum and what it depends on.
///
/// # Errors
/// When Cargo can't tell, or the file can't be written.
pub(crate) fn write(path: &Path) -> Result<()> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let mut cargo = run::cargo();
    cargo.args(["metadata", "--locked", "--format-version", "1", "--filter-platform", &target]);
    let metadata: Value = serde_json::from_str(&run::output(&mut cargo)?)?;
    let lock = std::fs::read_to_string(run::root().join("Cargo.lock")).context("reading Cargo.lock")?;
    let mut document = document(&metadata, &checksums(&lock)).context("reading the output of cargo metadata")?;
    if let Some(components) = document.get_mut("components").and_then(Value::as_array_mut) {
        components.extend(around()?);
    }
    let text = serde_json::to_string_pretty(&document)?;
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

fn document(metadata: &Value, checksums: &BTreeMap<(String, String), String>) -> Option<Value> {
    let packages: BTreeMap<&str, &Value> = metadata["packages"]
        .as_array()?
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package)))
        .collect();
    let root = packages.iter().find(|(_, package)| package["name"] == "steeple").map(|(id, _)| *id)?;
    let mut linked = linked(metadata, root)?;
    linked.retain(|id, _| packages.get(id).is_some_and(|package| !runs_in_the_compiler(package)));
    let mut components: Vec<Value> = linked
        .keys()
        .filter(|id| **id != root)
        .filter_map(|id| component(packages.get(id)?, "library", checksums))
        .collect();
    components.sort_by_key(|component| component["bom-ref"].as_str().map(str::to_owned));
    let mut dependencies: Vec<Value> = linked
        .iter()
        .filter_map(|(id, on)| {
            let on = on.iter().filter(|id| linked.contains_key(*id)).filter_map(|id| packages.get(id));
            let on: BTreeSet<String> = on.map(|package| purl(package)).collect();
            Some(json!({ "ref": purl(packages.get(id)?), "dependsOn": on }))
        })
        .collect();
    dependencies.sort_by_key(|dependency| dependency["ref"].as_str().map(str::to_owned));
    Some(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": component(packages.get(root)?, "application", checksums)? },
        "components": components,
        "dependencies": dependencies,
    }))
}

fn runs_in_the_compiler(package: &Value) -> bool {
    let kinds = package["targets"].as_array().into_iter().flatten().filter_map(|target| target["kind"].as_array());
    kinds.flatten().any(|kind| kind == "proc-macro")
}

/// Every package that ends up in the program, and what each needs for that: neither what builds nor what tests it.
fn linked<'a>(metadata: &'a Value, root: &'a str) -> Option<BTreeMap<&'a str, Vec<&'a str>>> {
    let nodes: BTreeMap<&str, &Value> = metadata
        .pointer("/resolve/nodes")?
        .as_array()?
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let mut found = BTreeMap::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        if found.contains_key(id) {
            continue;
        }
        let on: Vec<&str> = nodes.get(id)?["deps"].as_array()?.iter().filter_map(needed).collect();
        open.extend(&on);
        found.insert(id, on);
    }
    Some(found)
}

fn needed(dependency: &Value) -> Option<&str> {
    let ordinary = dependency["dep_kinds"].as_array()?.iter().any(|kind| kind["kind"].is_null());
    ordinary.then(|| dependency["pkg"].as_str()).flatten()
}

fn component(package: &Value, kind: &str, checksums: &BTreeMap<(String, String), String>) -> Option<Value> {
    let (name, version) = (package["name"].as_str()?, package["version"].as_str()?);
    let purl = purl(package);
    let mut component = json!({ "type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl });
    let fields = component.as_object_mut()?;
    if let Some(licence) = package["license"].as_str() {
        // The way of writing "or" from before SPDX expressions.
        fields.insert("licenses".into(), json!([{ "expression": licence.replace('/', " OR ") }]));
    }
    if let Some(checksum) = checksums.get(&(name.to_owned(), version.to_owned())) {
        fields.insert("hashes".into(), json!([{ "alg": "SHA-256", "content": checksum }]));
    }
    Some(component)
}

fn purl(package: &Value) -> String {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    // A plus sign stands for a space in a package URL.
    format!("pkg:cargo/{}@{}", text("name"), text("version").replace('+', "%2B"))
}

/// Checksums by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |entry: &str, key: &str| {
        let lines = entry.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'));
        lines.map(str::to_owned)
    };
    lock.split("[[package]]")
        .filter_map(|entry| Some(((value(entry, "name")?, value(entry, "version")?), value(entry, "checksum")?)))
        .collect()
}

/// What is in the images without being a package of Cargo's.
fn around() -> Result<Vec<Value>> {
    let rustc = run::output(Command::new("rustc").arg("--version"))?;
    let rustc = rustc.split_whitespace().nth(1).unwrap_or_default();
    let mut around = vec![
        json!({ "type": "library", "bom-ref": "rust-std", "name": "rust-std", "version": rustc,
            "licenses": [{ "expression": "MIT OR Apache-2.0" }] }),
        json!({ "type": "library", "bom-ref": "musl", "name": "musl", "licenses": [{ "expression": "MIT" }],
            "description": "The C library that the Rust toolchain brings for static programs." }),
    ];
    let query = run::output(Command::new("dpkg-query").args(["-W", "-f", "${Version}", "ca-certificates"]));
    if let Ok(version) = query {
        let purl = format!("pkg:deb/debian/ca-certificates@{}", version.replace('+', "%2B"));
        around.push(
            json!({ "type": "file", "bom-ref": purl, "name": "ca-certificates", "version": version, "purl": purl,
            "licenses": [{ "expression": "MPL-2.0 AND GPL-2.0-or-later" }] }),
        );
    }
    Ok(around)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Value {
        let package = |id: &str, name: &str, licence: &str| json!({ "id": id, "name": name, "version": "1.0.0+x", "license": licence });
        let needs = |pkg: &str, kind: Option<&str>| json!({ "pkg": pkg, "dep_kinds": [{ "kind": kind }] });
        json!({
            "packages": [package("s", "steeple", "Apache-2.0"), package("l", "linked", "MIT/Apache-2.0"),
                package("t", "tested", "MIT"), package("d", "deep", "MIT"),
                json!({ "id": "m", "name": "macros", "version": "1.0.0", "targets": [{ "kind": ["proc-macro"] }] })],
            "resolve": { "nodes": [
                { "id": "s", "deps": [needs("l", None), needs("m", None), needs("t", Some("dev"))] },
                { "id": "l", "deps": [needs("d", None), needs("t", Some("build"))] },
                { "id": "d", "deps": [] }, { "id": "m", "deps": [] }, { "id": "t", "deps": [] } ] },
        })
    }

    #[test]
    fn only_what_is_linked_is_told() {
        let lock = "[[package]]\nname = \"deep\"\nversion = \"1.0.0+x\"\nchecksum = \"abc\"\n";
        let document = document(&metadata(), &checksums(lock)).unwrap();
        let names: Vec<_> = document["components"].as_array().unwrap().iter().map(|part| &part["name"]).collect();
        assert_eq!(names, ["deep", "linked"]);
        assert_eq!(document["components"][0]["hashes"][0]["content"], "abc");
        assert_eq!(document["components"][1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(document["components"][1]["purl"], "pkg:cargo/linked@1.0.0%2Bx");
        let root =
            document["dependencies"].as_array().unwrap().iter().find(|row| row["ref"] == "pkg:cargo/steeple@1.0.0%2Bx");
        assert_eq!(root.unwrap()["dependsOn"], json!(["pkg:cargo/linked@1.0.0%2Bx"]));
    }
}
