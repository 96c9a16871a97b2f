//! What Prometheus, Alertmanager and Grafana are told: rules, the cases that `promtool` tests them by, and dashboards.

mod alerts;
mod dashboards;
mod thresholds;

use anyhow::{Context, Result};
use serde_json::{Value, json};

pub use alerts::{Alert, Case, Severity, alerts};
pub use dashboards::{DASHBOARDS, Dashboard, Panel};

use crate::Files;

/// Where it is written.
const FOLDER: &str = "deploy/monitoring";
/// Where the chart has the rules.
const CHART_RULES: &str = "deploy/helm/steeple/files/rules.yaml";
/// Where a reader finds a runbook.
const RUNBOOKS: &str = "https://github.com/steeple-project/steeple/blob/main/docs/runbooks";

/// Rules, cases and dashboards.
///
/// # Errors
/// When they can't be written as YAML, which they can.
pub fn files() -> Result<Files> {
    let alerts = alerts();
    let rules = json!({ "groups": [{ "name": "steeple", "rules": alerts.iter().map(rule).collect::<Vec<_>>() }] });
    let cases: Vec<Value> = alerts.iter().flat_map(cases).collect();
    let cases = json!({ "rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": cases });
    let path = |name: &str| std::path::Path::new(FOLDER).join(name);
    let rules = yaml(&rules)?;
    let mut files = Files::from([
        (path("rules.yaml"), rules.clone()),
        (path("rules-test.yaml"), yaml(&cases)?),
        // The chart's copy, of which it makes a PrometheusRule.
        (CHART_RULES.into(), rules),
    ]);
    for dashboard in DASHBOARDS {
        let json = serde_json::to_string_pretty(&dashboards::grafana(dashboard, RUNBOOKS))?;
        files.insert(path("dashboards").join(format!("{}.json", dashboard.uid)), json + "\n");
    }
    Ok(files)
}

fn yaml(value: &Value) -> Result<String> {
    let text = serde_saphyr::to_string(value).context("YAML")?;
    Ok(format!("# Written by `cargo xtask manifests` from deploy/generate/src/monitoring.\n{text}"))
}

fn annotations(alert: &Alert) -> Value {
    json!({
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": format!("{RUNBOOKS}/{}.md", alert.name),
    })
}

fn rule(alert: &Alert) -> Value {
    json!({
        "alert": alert.name,
        "expr": alert.expr,
        "for": format!("{}m", alert.minutes),
        "labels": { "severity": alert.severity.name() },
        "annotations": annotations(alert),
    })
}

/// The case in which it fires, and the one in which it doesn't.
fn cases(alert: &Alert) -> Vec<Value> {
    let mut labels: serde_json::Map<String, Value> =
        alert.labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    labels.insert("severity".to_owned(), alert.severity.name().into());
    let fires = json!([{ "exp_labels": labels, "exp_annotations": annotations(alert) }]);
    let fires = case(alert, "fires", &alert.fires, &fires);
    let silent = alert.silent.as_ref().map(|silent| case(alert, "is silent", silent, &json!([])));
    std::iter::once(fires).chain(silent).collect()
}

fn case(alert: &Alert, what: &str, case: &Case, expected: &Value) -> Value {
    let series: Vec<Value> =
        case.series.iter().map(|(series, values)| json!({ "series": series, "values": values })).collect();
    json!({
        "name": format!("{} {what}", alert.name),
        "interval": "1m",
        "input_series": series,
        "alert_rule_test": [
            { "alertname": alert.name, "eval_time": format!("{}m", case.at), "exp_alerts": expected },
        ],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{root, stale};

    #[test]
    fn rules_are_those_of_the_code() {
        assert_eq!(stale(&root(), &files().unwrap()).unwrap(), [""; 0], "run `cargo xtask manifests`");
    }

    #[test]
    fn each_alert_has_its_runbook_and_each_runbook_its_alert() {
        let names: BTreeSet<String> = alerts().iter().map(|alert| format!("{}.md", alert.name)).collect();
        let pages = std::fs::read_dir(root().join("docs/runbooks")).unwrap();
        let pages: BTreeSet<String> = pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(pages, names);
    }

    /// The names of our metrics in a query, without what Prometheus puts behind those of histograms.
    fn metrics(query: &str) -> BTreeSet<&str> {
        let words = query.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let ours = words.filter(|word| word.starts_with("steeple_"));
        ours.map(|word| word.trim_end_matches("_bucket").trim_end_matches("_count")).collect()
    }

    #[test]
    fn catalogue_tells_which_alerts_use_a_metric() {
        let families: Vec<_> = [steeple_server::FAMILIES, steeple_agent::FAMILIES].concat();
        let told: BTreeSet<(&str, &str)> =
            families.iter().flat_map(|family| family.alerts.iter().map(|alert| (family.name, *alert))).collect();
        let alerts = alerts();
        let used: BTreeSet<(&str, &str)> = alerts
            .iter()
            .flat_map(|alert| metrics(&alert.expr).into_iter().map(|metric| (metric, alert.name)))
            .collect();
        assert_eq!(told, used);
    }

    #[test]
    fn dashboards_ask_for_metrics_of_the_catalogue_and_link_runbooks() {
        let families: Vec<_> = [steeple_server::FAMILIES, steeple_agent::FAMILIES].concat();
        let known: BTreeSet<&str> = families.iter().map(|family| family.name).collect();
        let alerts: BTreeSet<&str> = alerts().iter().map(|alert| alert.name).collect();
        let mut shown = BTreeSet::new();
        for panel in DASHBOARDS.iter().flat_map(|dashboard| dashboard.panels) {
            shown.extend(panel.queries.iter().flat_map(|(query, _)| metrics(query)));
            assert!(panel.alert.is_none_or(|alert| alerts.contains(alert)), "{}", panel.title);
        }
        assert_eq!(shown, known, "each metric has a panel");
    }

    #[test]
    fn each_alert_but_the_watchdog_has_a_case_in_which_it_is_silent() {
        let without: Vec<_> = alerts().iter().filter(|alert| alert.silent.is_none()).map(|alert| alert.name).collect();
        assert_eq!(without, ["MetaWatchdog"]);
    }
}
