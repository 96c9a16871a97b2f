//! Chart and manifests before helm, kubernetes-validate and checkov.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use steeple_tests_interop::peer;

/// Most lines of `deploy/checks.txt`.
const MOST_SKIPS: usize = 8;

#[test]
fn manifests_are_what_the_chart_renders() -> Result<()> {
    if peer::missing(&["helm"])? {
        return Ok(());
    }
    let root = steeple_deploy::root();
    let stale = steeple_deploy::stale(&root, &steeple_deploy::manifests(&root, &peer::path("helm")?)?)?;
    assert_eq!(stale, [""; 0], "run `cargo xtask manifests`");
    Ok(())
}

#[test]
fn every_value_set_passes_helms_lint() -> Result<()> {
    if peer::missing(&["helm"])? {
        return Ok(());
    }
    for set in value_sets()? {
        let chart = steeple_deploy::root().join("deploy/helm/steeple");
        succeeds(Command::new(peer::path("helm")?).args(["lint", "--strict"]).arg(chart).arg("--values").arg(set))?;
    }
    Ok(())
}

#[test]
fn values_that_do_not_go_together_are_refused() -> Result<()> {
    if peer::missing(&["helm"])? {
        return Ok(());
    }
    for (values, said) in [
        ("server.replicas=2", "SQLite has one writer"),
        ("server.dataStore.sql.databaseType=oracle", "it may be sqlite3, postgres or mysql"),
        ("server.dataStore.sql.databaseType=mysql", "name the Secret with the connection string"),
        ("server.upstreamAuthority.spire.enabled=true", "name the server above"),
        ("oidcDiscoveryProvider.enabled=true", "under which name it is asked"),
        (
            "oidcDiscoveryProvider.enabled=true,server.jwtIssuer=https://a.test,agent.hostPID=false",
            "the socket that all pods of a node share",
        ),
    ] {
        let rendered = steeple_deploy::template(&steeple_deploy::root(), &peer::path("helm")?, &["--set", values]);
        let refusal = rendered.err().with_context(|| format!("{values} is taken"))?.to_string();
        assert!(refusal.contains(said), "{values}: {refusal}");
    }
    Ok(())
}

#[test]
fn every_value_set_is_what_kubernetes_takes() -> Result<()> {
    if peer::missing(&["helm", "kubernetes-validate"])? {
        return Ok(());
    }
    let rendered = rendered()?;
    let files = std::fs::read_dir(rendered.path())?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    succeeds(Command::new(peer::path("kubernetes-validate")?).args(["--strict", "--quiet"]).args(files))?;
    Ok(())
}

#[test]
fn prometheus_operator_finds_servers_agents_and_each_alert() -> Result<()> {
    if peer::missing(&["helm"])? {
        return Ok(());
    }
    let root = steeple_deploy::root();
    let on = ["metrics.enabled=true", "metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true"];
    let rendered = steeple_deploy::template(&root, &peer::path("helm")?, &["--set", &on.join(",")])?;
    let all = rendered.into_values().collect::<Vec<_>>().join("---\n");
    for component in ["steeple-server", "steeple-agent"] {
        let monitor = format!("kind: ServiceMonitor\nmetadata:\n  name: {component}\n");
        assert!(all.contains(&monitor), "no ServiceMonitor of {component}");
        assert!(all.contains(&format!("name: {component}-metrics\n")), "no Service of {component}'s metrics");
    }
    // By this label the alerts tell servers from agents.
    assert_eq!(all.matches("jobLabel: app.kubernetes.io/name").count(), 2);
    let rules =
        all.split("---\n").find(|object| object.contains("kind: PrometheusRule")).context("no PrometheusRule")?;
    for alert in steeple_deploy::monitoring::alerts() {
        assert!(rules.contains(&format!("- alert: {}\n", alert.name)), "no {} in\n{rules}", alert.name);
    }
    Ok(())
}

#[test]
fn every_value_set_passes_checkov_but_for_what_is_listed() -> Result<()> {
    if peer::missing(&["helm", "checkov"])? {
        return Ok(());
    }
    let rendered = rendered()?;
    let mut checkov = Command::new(peer::path("checkov")?);
    checkov.args(["--framework", "kubernetes", "--quiet", "--compact", "--output", "json", "--skip-download"]);
    // It ends with 1 when a check failed, which is judged here.
    let output = checkov.arg("--soft-fail").arg("--directory").arg(rendered.path()).output()?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("checkov: {}", String::from_utf8_lossy(&output.stderr)))?;
    let passed = report.pointer("/summary/passed").and_then(Value::as_u64).context("no summary")?;
    assert!(passed > 1000, "{passed} checks passed: was anything checked?");
    let text = std::fs::read_to_string(steeple_deploy::root().join("deploy/checks.txt"))?;
    let skips = skips(&text)?;
    assert!(skips.len() <= MOST_SKIPS, "{} skips, at most {MOST_SKIPS} are allowed", skips.len());
    let failed = report.pointer("/results/failed_checks").and_then(Value::as_array).context("no results")?;
    let mut used = vec![false; skips.len()];
    let mut unexpected = Vec::new();
    for failure in failed {
        let (check, resource) = (failure["check_id"].as_str(), failure["resource"].as_str());
        let (check, resource) = (check.context("no check_id")?, resource.context("no resource")?);
        let matching = skips.iter().position(|skip| skip.check == check && covers(&skip.resource, resource));
        match matching.and_then(|place| used.get_mut(place)) {
            Some(used) => *used = true,
            None => unexpected.push(format!("{check} {resource} {}", failure["file_path"])),
        }
    }
    assert_eq!(unexpected, [""; 0]);
    let idle = skips.iter().zip(used).filter(|(_, used)| !used).map(|(skip, _)| skip.check.as_str());
    assert_eq!(idle.collect::<Vec<_>>(), [""; 0], "skips that nothing needs");
    Ok(())
}

#[test]
fn skips_cover_what_they_name() -> Result<()> {
    assert!(covers("*", "a.b.c") && covers("a.b.*", "a.b.c") && covers("a.b.c", "a.b.c"));
    assert!(!covers("a.b.*", "a.d.c") && !covers("a.b.c", "a.b.cd"));
    let read = skips("# a\nCKV_1  A.b.*  Because it is so.\n")?;
    assert_eq!(read.len(), 1);
    assert!(skips("CKV_1 *\n").is_err(), "a skip needs a reason");
    Ok(())
}

struct Skip {
    check: String,
    resource: String,
}

fn skips(text: &str) -> Result<Vec<Skip>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            [check, resource, _, _, ..] => Ok(Skip { check: check.to_owned(), resource: resource.to_owned() }),
            _ => bail!("wants check, resource and a reason: {line:?}"),
        })
        .collect()
}

fn covers(pattern: &str, resource: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == resource, |beginning| resource.starts_with(beginning))
}

/// Every value set, rendered to a file, and the sample.
fn rendered() -> Result<tempfile::TempDir> {
    let (root, helm) = (steeple_deploy::root(), peer::path("helm")?);
    // A folder whose name begins with a dot, checkov passes over.
    let folder = tempfile::Builder::new().prefix("rendered").tempdir()?;
    for set in value_sets()? {
        let files = steeple_deploy::template(&root, &helm, &["--values", &set.display().to_string()])?;
        let name = set.file_name().context("a value set has a name")?;
        std::fs::write(folder.path().join(name), files.into_values().collect::<Vec<_>>().join("---\n"))?;
    }
    for entry in std::fs::read_dir(root.join("deploy/manifests/sample"))? {
        let path = entry?.path();
        // Objects of our own kinds are for our own definitions, and the list is for kustomize.
        if let Some(name) = path.file_name().filter(|name| *name != "kustomization.yaml" && *name != "identity.yaml") {
            std::fs::copy(&path, folder.path().join(Path::new(name)))?;
        }
    }
    Ok(folder)
}

fn value_sets() -> Result<Vec<PathBuf>> {
    let folder = steeple_deploy::root().join("deploy/helm/steeple/ci");
    let sets = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    if sets.len() < 5 {
        bail!("only {} value sets", sets.len());
    }
    Ok(sets)
}

fn succeeds(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if !output.status.success() {
        bail!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
