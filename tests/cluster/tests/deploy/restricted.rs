//! Pod Security's profile `restricted`.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use steeple_tests_cluster::Cluster;

const NAMESPACE: &str = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "restricted",
    "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}"#;

/// The pods of a workload resource, such as `deployment/x`, would be admitted where the profile is `restricted`.
pub(crate) fn admits(cluster: &Cluster, namespace: &str, what: &str) -> Result<()> {
    cluster.apply(NAMESPACE, &[])?;
    let resource = cluster.json(&["-n", namespace, "get", what])?;
    let mut spec = resource.pointer("/spec/template/spec").cloned().context("a template")?;
    // The account is not of that namespace, and no token of one is mounted by itself.
    spec.as_object_mut().context("a specification")?.retain(|key, _| !key.starts_with("serviceAccount"));
    let volumes = spec.get_mut("volumes").and_then(Value::as_array_mut).context("volumes")?;
    for claim in resource.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array).into_iter().flatten() {
        let name = claim.pointer("/metadata/name").context("a claim has a name")?;
        volumes.push(json!({ "name": name, "persistentVolumeClaim": { "claimName": name } }));
    }
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "pod" }, "spec": spec });
    cluster.apply(&pod.to_string(), &["-n", "restricted", "--dry-run=server"])
}
