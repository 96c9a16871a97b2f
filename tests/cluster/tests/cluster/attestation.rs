//! How the node's agent proves itself.

use anyhow::{Context, Result};
use serde_json::Value;
use steeple_tests_cluster::{Case, case, id};

#[test]
fn agent_attests_by_its_pods_token() {
    case("attestation", |case: &Case<'_>| -> Result<()> {
        let node = case.cluster.json(&["get", "nodes"])?;
        let uid = node.pointer("/items/0/metadata/uid").and_then(Value::as_str).context("a node has a UID")?;
        let name = node.pointer("/items/0/metadata/name").and_then(Value::as_str).context("a node has a name")?;
        let agent = case.agent()?;
        assert_eq!(agent, id(&format!("spire/agent/k8s_psat/demo-cluster/{uid}")));
        let shown = case.server(&["agent", "show", "-spiffeID", &agent])?;
        let selectors: Vec<String> = shown
            .pointer("/agent/selectors")
            .or_else(|| shown.pointer("/selectors"))
            .and_then(Value::as_array)
            .with_context(|| format!("no selectors in {shown}"))?
            .iter()
            .filter_map(|selector| {
                Some(format!("{}:{}", selector.get("type")?.as_str()?, selector.get("value")?.as_str()?))
            })
            .collect();
        for selector in [
            "k8s_psat:cluster:demo-cluster".to_owned(),
            "k8s_psat:agent_ns:steeple".to_owned(),
            "k8s_psat:agent_sa:steeple-agent".to_owned(),
            format!("k8s_psat:agent_node_name:{name}"),
            format!("k8s_psat:agent_node_uid:{uid}"),
        ] {
            assert!(selectors.contains(&selector), "{selector} is not among {selectors:?}");
        }
        Ok(())
    });
}
