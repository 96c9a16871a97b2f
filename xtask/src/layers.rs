//! `cargo xtask layers`: a crate depends only on crates of a strictly lower layer.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run;

/// One crate of the workspace, as `cargo metadata` shows it.
struct Crate {
    layer: Option<u64>,
    needs: Vec<String>,
}

/// Checks every crate of the workspace; dev-dependencies are exempt.
///
/// # Errors
/// When a crate has no layer, or depends on one that is not below it.
pub(crate) fn check() -> Result<()> {
    let text = run::output(run::cargo().args(["metadata", "--format-version=1", "--no-deps"]))?;
    let crates = parse(&serde_json::from_str(&text).context("cargo metadata")?);
    let faults = faults(&crates);
    if !faults.is_empty() {
        bail!("layers:\n  {}", faults.join("\n  "));
    }
    println!("layers: {} crates in order", crates.len());
    Ok(())
}

fn parse(metadata: &Value) -> BTreeMap<String, Crate> {
    let packages = metadata.get("packages").and_then(Value::as_array).into_iter().flatten();
    packages
        .filter_map(|package| {
            let name = package.get("name")?.as_str()?.to_owned();
            let layer = package.pointer("/metadata/steeple/layer").and_then(Value::as_u64);
            let dependencies = package.get("dependencies")?.as_array()?;
            let needs = dependencies
                .iter()
                .filter(|dependency| dependency.get("kind").is_none_or(|kind| kind != "dev"))
                .filter_map(|dependency| Some(dependency.get("name")?.as_str()?.to_owned()))
                .collect();
            Some((name, Crate { layer, needs }))
        })
        .collect()
}

fn faults(crates: &BTreeMap<String, Crate>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, this) in crates {
        let Some(layer) = this.layer else {
            faults.push(format!("{name} has no [package.metadata.steeple] layer"));
            continue;
        };
        for need in &this.needs {
            let below = crates.get(need).and_then(|other| other.layer);
            if let Some(below) = below.filter(|below| *below >= layer) {
                faults.push(format!("{name} (layer {layer}) depends on {need} (layer {below})"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workspace(kind: &Value) -> BTreeMap<String, Crate> {
        parse(&json!({"packages": [
            {"name": "low", "metadata": {"steeple": {"layer": 1}},
             "dependencies": [{"name": "high", "kind": kind}]},
            {"name": "high", "metadata": {"steeple": {"layer": 2}}, "dependencies": []},
        ]}))
    }

    #[test]
    fn a_crate_may_not_depend_upwards() {
        assert_eq!(faults(&workspace(&Value::Null)), ["low (layer 1) depends on high (layer 2)"]);
    }

    #[test]
    fn dev_dependencies_are_exempt() {
        assert!(faults(&workspace(&json!("dev"))).is_empty());
    }

    #[test]
    fn a_crate_without_layer_is_a_fault() {
        let crates = parse(&json!({"packages": [{"name": "x", "metadata": null, "dependencies": []}]}));
        assert_eq!(faults(&crates), ["x has no [package.metadata.steeple] layer"]);
    }
}
