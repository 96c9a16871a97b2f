//! Rules and routes, by `promtool` and `amtool`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use steeple_tests_databases::{GRAFANA_SDK, missing, path};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/monitoring")
}

fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).current_dir(folder()).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {arguments:?}: {said}");
    Ok(said)
}

#[test]
fn each_alert_fires_in_one_case_and_is_silent_in_another() {
    if missing(&["promtool"]).unwrap() {
        return;
    }
    let checked = run("promtool", &["check", "rules", "rules.yaml"]).unwrap();
    assert!(checked.contains("SUCCESS"), "{checked}");
    let tested = run("promtool", &["test", "rules", "rules-test.yaml"]).unwrap();
    assert!(tested.contains("SUCCESS"), "{tested}");
}

#[test]
fn alerts_go_to_those_whom_they_concern() {
    if missing(&["amtool"]).unwrap() {
        return;
    }
    run("amtool", &["check-config", "alertmanager.yaml"]).unwrap();
    for (labels, receivers) in [
        (&["severity=page"][..], "page"),
        (&["severity=security"], "security,page"),
        (&["severity=ticket"], "ticket"),
        (&["alertname=MetaWatchdog", "severity=none"], "watchdog"),
        (&["severity=unheard-of"], "ticket"),
    ] {
        let verify = format!("--verify.receivers={receivers}");
        let test = ["config", "routes", "test", "--config.file=alertmanager.yaml", &verify];
        run("amtool", &[&test[..], labels].concat()).unwrap();
    }
}

#[test]
fn dashboards_are_read_by_grafanas_own_classes() {
    if missing(&[GRAFANA_SDK]).unwrap() {
        return;
    }
    let queries = queries().unwrap();
    assert!(queries.len() > 30, "{queries:?}");
}

/// The queries of all dashboards, as Grafana's classes have read them.
pub(crate) fn queries() -> Result<Vec<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/monitoring/dashboard.py");
    let mut dashboards: Vec<PathBuf> =
        std::fs::read_dir(folder().join("dashboards"))?.map(|file| Ok(file?.path())).collect::<Result<_>>()?;
    dashboards.sort();
    let mut read = Command::new(path(GRAFANA_SDK)?);
    let output = read.arg("-B").arg(script).args(&dashboards).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}
