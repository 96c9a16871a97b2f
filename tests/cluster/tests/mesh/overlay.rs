//! What `deploy/istio` ships.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

fn shipped(file: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/istio").join(file);
    std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// An operator's file says in `spec.meshConfig` and `spec.values` what the chart's values say at their top.
#[test]
fn helm_values_say_the_same_as_the_operators_file() -> Result<()> {
    let operator = shipped("sidecars.yaml")?;
    let (_, spec) = operator.split_once("\nspec:\n").context("a spec")?;
    let mut expected = String::new();
    let mut depth = 2;
    for line in spec.lines() {
        if line == "  values:" {
            depth = 4;
            continue;
        }
        writeln!(expected, "{}", line.get(depth..).unwrap_or_default())?;
    }
    let values = shipped("values.yaml")?;
    let (comment, rest) = values.split_once('\n').context("a first line")?;
    assert!(comment.starts_with("# Values for Istio's chart `istiod`"), "{comment}");
    assert_eq!(rest, expected);
    Ok(())
}

/// Under Istio's own name istio-agent asks istiod when the socket is missing; under another it ends.
#[test]
fn templates_name_a_socket_that_istio_agent_does_not_replace() -> Result<()> {
    let operator = shipped("sidecars.yaml")?;
    let names: Vec<&str> = operator
        .lines()
        .zip(operator.lines().skip(1))
        .filter(|(line, _)| line.trim() == "- name: WORKLOAD_IDENTITY_SOCKET_FILE")
        .map(|(_, value)| value.trim())
        .collect();
    assert_eq!(names, ["value: spire-agent.sock"; 2], "one for sidecars, one for gateways");
    Ok(())
}
