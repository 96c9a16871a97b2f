//! Definitions of custom resources from the types that the controller reads.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The definitions, by name of the file. A chart that goes leaves them, and with them every object of theirs.
pub(crate) fn files() -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for definition in steeple_registration::crd::definitions() {
        let name = definition.metadata.name.clone().context("a definition has a name")?;
        let mut object = serde_json::to_value(&definition)?;
        let metadata = object.get_mut("metadata").and_then(Value::as_object_mut).context("metadata")?;
        metadata.insert("annotations".to_owned(), json!({ "helm.sh/resource-policy": "keep" }));
        let text = serde_saphyr::to_string(&object).with_context(|| format!("writing {name}"))?;
        files.insert(
            format!("{name}.yaml"),
            format!("# Written by `cargo xtask manifests` from the types of the code.\n{text}"),
        );
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_outlive_the_chart() {
        let files = files().unwrap();
        assert!(files.contains_key("clusterspiffeids.spire.spiffe.io.yaml"), "{:?}", files.keys());
        for (name, text) in files {
            let object: Value = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(object["metadata"]["annotations"]["helm.sh/resource-policy"], "keep", "{name}");
            assert_eq!(object["kind"], "CustomResourceDefinition", "{name}");
        }
    }
}
