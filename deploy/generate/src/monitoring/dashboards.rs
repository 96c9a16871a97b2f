//! The dashboards: panels with their queries, and Grafana's form of them.

use serde_json::{Value, json};

/// A dashboard.
#[derive(Clone, Copy, Debug)]
pub struct Dashboard {
    /// Its name in files and links.
    pub uid: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Its panels, two in a row.
    pub panels: &'static [Panel],
}

/// A panel of lines over time.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// Its title.
    pub title: &'static str,
    /// What it tells.
    pub description: &'static str,
    /// Grafana's name of the unit.
    pub unit: &'static str,
    /// Queries with the names of their lines.
    pub queries: &'static [(&'static str, &'static str)],
    /// The alert whose runbook is linked.
    pub alert: Option<&'static str>,
}

/// All of them.
pub const DASHBOARDS: &[Dashboard] = &[OVERVIEW, SERVER, AGENT, FEDERATION, AUDIT];

const OVERVIEW: Dashboard = Dashboard {
    uid: "steeple-overview",
    title: "steeple: overview",
    panels: &[
        Panel {
            title: "Servers and agents that are up",
            description: "By job, as Prometheus reaches them.",
            unit: "short",
            queries: &[("sum by (job) (up{job=~\"steeple-.*\"})", "{{job}}")],
            alert: Some("ControlPlaneAbsent"),
        },
        Panel {
            title: "Failed part of requests for SVIDs",
            description: "Failed by the server's fault; one in a thousand is the budget.",
            unit: "percentunit",
            queries: &[(
                "sum(rate(steeple_svid_requests_total{result=\"failed\"}[5m])) / sum(rate(steeple_svid_requests_total[5m]))",
                "failed",
            )],
            alert: Some("IssuanceFastBurn"),
        },
        Panel {
            title: "Time until authorities end",
            description: "Of the authority that signs, the next to end of all servers.",
            unit: "s",
            queries: &[("min by (type) (steeple_authority_not_after_timestamp_seconds - time())", "{{type}}")],
            alert: Some("AuthorityExpirySoon"),
        },
        Panel {
            title: "Overdue SVIDs of workloads",
            description: "Less than a quarter of their life is left.",
            unit: "short",
            queries: &[("sum(steeple_workload_svids_overdue)", "overdue"), ("sum(steeple_workload_svids)", "all")],
            alert: Some("WorkloadsNearExpiry"),
        },
        Panel {
            title: "Entries and agents",
            description: "As servers know them.",
            unit: "short",
            queries: &[("max(steeple_entries)", "entries"), ("max(steeple_agents)", "agents")],
            alert: None,
        },
        Panel {
            title: "Versions",
            description: "How many run which.",
            unit: "short",
            queries: &[("count by (job, version) (steeple_build_info)", "{{job}} {{version}}")],
            alert: None,
        },
    ],
};

const SERVER: Dashboard = Dashboard {
    uid: "steeple-server",
    title: "steeple: servers",
    panels: &[
        Panel {
            title: "Requests for SVIDs",
            description: "A second, by type and result; each of a batch counts.",
            unit: "reqps",
            queries: &[("sum by (type, result) (rate(steeple_svid_requests_total[5m]))", "{{type}} {{result}}")],
            alert: Some("IssuanceSlowBurn"),
        },
        Panel {
            title: "Time of calls that issue",
            description: "Half, and all but one in a hundred, are faster.",
            unit: "s",
            queries: &[
                (
                    "histogram_quantile(0.5, sum by (le) (rate(steeple_svid_request_duration_seconds_bucket[5m])))",
                    "p50",
                ),
                (
                    "histogram_quantile(0.99, sum by (le) (rate(steeple_svid_request_duration_seconds_bucket[5m])))",
                    "p99",
                ),
            ],
            alert: Some("IssuanceLatencyBurn"),
        },
        Panel {
            title: "Attestations of nodes",
            description: "A second, by result.",
            unit: "reqps",
            queries: &[("sum by (result) (rate(steeple_node_attestations_total[5m]))", "{{result}}")],
            alert: Some("NodeAttestRefused"),
        },
        Panel {
            title: "Time of attestations of nodes",
            description: "All but one in a hundred are faster.",
            unit: "s",
            queries: &[(
                "histogram_quantile(0.99, sum by (le) (rate(steeple_node_attestation_duration_seconds_bucket[5m])))",
                "p99",
            )],
            alert: Some("AttestationFastBurn"),
        },
        Panel {
            title: "Authorities",
            description: "1: the next one is prepared; the one that signs is in the bundle.",
            unit: "short",
            queries: &[
                ("steeple_authority_prepared", "{{instance}} {{type}} prepared"),
                ("steeple_authority_active_in_bundle", "{{instance}} {{type}} in the bundle"),
            ],
            alert: Some("AuthorityNotInBundle"),
        },
        Panel {
            title: "Life left of authorities",
            description: "As a part of it. The next one is prepared at half of it, and signs when a sixth is left.",
            unit: "percentunit",
            queries: &[(
                "(steeple_authority_not_after_timestamp_seconds - time()) / on (job, instance) group_left () steeple_authority_lifetime_seconds",
                "{{instance}} {{type}}",
            )],
            alert: Some("AuthorityExpiryCritical"),
        },
        Panel {
            title: "Failed rotations in a row",
            description: "Of authorities, by server.",
            unit: "short",
            queries: &[("steeple_authority_rotation_failures", "{{instance}}")],
            alert: Some("RotationFailing"),
        },
        Panel {
            title: "Datastore",
            description: "1 when it answers.",
            unit: "short",
            queries: &[("steeple_datastore_up", "{{instance}}")],
            alert: Some("DatastoreDown"),
        },
        Panel {
            title: "Time of the datastore's answers",
            description: "To a small question every five seconds; all but one in a hundred are faster.",
            unit: "s",
            queries: &[(
                "histogram_quantile(0.99, sum by (instance, le) (rate(steeple_datastore_probe_duration_seconds_bucket[5m])))",
                "{{instance}}",
            )],
            alert: Some("DatastoreSlow"),
        },
        Panel {
            title: "Denied calls",
            description: "A second.",
            unit: "reqps",
            queries: &[("sum(rate(steeple_denied_calls_total[5m]))", "denied")],
            alert: Some("DeniedSpike"),
        },
        Panel {
            title: "Jumps of the clock",
            description: "In an hour, by server.",
            unit: "short",
            queries: &[("increase(steeple_clock_jumps_total[1h])", "{{instance}}")],
            alert: Some("ClockJumped"),
        },
    ],
};

const AGENT: Dashboard = Dashboard {
    uid: "steeple-agent",
    title: "steeple: agents",
    panels: &[
        Panel {
            title: "Time since the server answered",
            description: "The ten agents that wait longest.",
            unit: "s",
            queries: &[("topk(10, time() - (steeple_agent_last_sync_timestamp_seconds > 0))", "{{instance}}")],
            alert: Some("AgentLagging"),
        },
        Panel {
            title: "Synchronisations",
            description: "A second, by result.",
            unit: "reqps",
            queries: &[("sum by (result) (rate(steeple_agent_syncs_total[5m]))", "{{result}}")],
            alert: Some("AgentLagging"),
        },
        Panel {
            title: "Time of synchronisations",
            description: "All but one in a hundred are faster.",
            unit: "s",
            queries: &[(
                "histogram_quantile(0.99, sum by (le) (rate(steeple_agent_sync_duration_seconds_bucket[5m])))",
                "p99",
            )],
            alert: Some("PropagationSlow"),
        },
        Panel {
            title: "Life left of agents' own SVIDs",
            description: "As a part of it; the ten with the least. They renew at half.",
            unit: "percentunit",
            queries: &[(
                "bottomk(10, ((steeple_agent_svid_not_after_timestamp_seconds > 0) - time()) / steeple_agent_svid_lifetime_seconds)",
                "{{instance}}",
            )],
            alert: Some("AgentSvidExpirySoon"),
        },
        Panel {
            title: "SVIDs of workloads",
            description: "By agent, the ten with the most.",
            unit: "short",
            queries: &[("topk(10, steeple_workload_svids)", "{{instance}}")],
            alert: Some("WorkloadsNearExpiry"),
        },
        Panel {
            title: "Time until the first SVID of a workload ends",
            description: "By agent, the ten that are nearest.",
            unit: "s",
            queries: &[(
                "bottomk(10, (steeple_workload_svid_earliest_not_after_timestamp_seconds > 0) - time())",
                "{{instance}}",
            )],
            alert: Some("WorkloadsNearExpiry"),
        },
        Panel {
            title: "Attestations of workloads",
            description: "A second, by result.",
            unit: "reqps",
            queries: &[("sum by (result) (rate(steeple_workload_attestations_total[5m]))", "{{result}}")],
            alert: Some("WorkloadAttestationFailing"),
        },
        Panel {
            title: "Time of attestations of workloads",
            description: "All but one in a hundred are faster.",
            unit: "s",
            queries: &[(
                "histogram_quantile(0.99, sum by (le) (rate(steeple_workload_attestation_duration_seconds_bucket[5m])))",
                "p99",
            )],
            alert: Some("WorkloadAttestationFailing"),
        },
        Panel {
            title: "Workloads without an identity",
            description: "Calls a second that were told so.",
            unit: "reqps",
            queries: &[("sum(rate(steeple_workload_denials_total[5m]))", "denied")],
            alert: None,
        },
        Panel {
            title: "Secrets that Envoys refused",
            description: "In an hour.",
            unit: "short",
            queries: &[("sum(increase(steeple_sds_nacks_total[1h]))", "refused")],
            alert: Some("SdsNack"),
        },
    ],
};

const FEDERATION: Dashboard = Dashboard {
    uid: "steeple-federation",
    title: "steeple: federation",
    panels: &[
        Panel {
            title: "Bundles that can't be fetched",
            description: "Of other trust domains, by server.",
            unit: "short",
            queries: &[("steeple_federated_bundles_failing", "{{instance}}")],
            alert: Some("FederatedBundlesFailing"),
        },
        Panel {
            title: "Attempts to fetch bundles",
            description: "In an hour, by result.",
            unit: "short",
            queries: &[("sum by (result) (increase(steeple_federated_bundle_refreshes_total[1h]))", "{{result}}")],
            alert: Some("FederatedBundlesFailing"),
        },
    ],
};

const AUDIT: Dashboard = Dashboard {
    uid: "steeple-audit",
    title: "steeple: audit trail",
    panels: &[
        Panel {
            title: "Records",
            description: "A second, by result; what a failed one is of was refused.",
            unit: "reqps",
            queries: &[("sum by (result) (rate(steeple_audit_records_total[5m]))", "{{result}}")],
            alert: Some("AuditWriteFailing"),
        },
        Panel {
            title: "Time until a record is on disk",
            description: "All but one in a hundred are faster.",
            unit: "s",
            queries: &[(
                "histogram_quantile(0.99, sum by (le) (rate(steeple_audit_write_duration_seconds_bucket[5m])))",
                "p99",
            )],
            alert: None,
        },
        Panel {
            title: "Free part of the trail's disk",
            description: "By server. When it is full nothing is issued.",
            unit: "percentunit",
            queries: &[("steeple_audit_disk_free_ratio", "{{instance}}")],
            alert: Some("AuditDiskLow"),
        },
        Panel {
            title: "Sinks that take records",
            description: "1 when the receiver took what it was sent last.",
            unit: "short",
            queries: &[("steeple_audit_sink_up", "{{instance}} {{sink}}")],
            alert: Some("AuditSinkDown"),
        },
        Panel {
            title: "How far sinks are behind",
            description: "Age of the record that comes next.",
            unit: "s",
            queries: &[("steeple_audit_sink_lag_seconds", "{{instance}} {{sink}}")],
            alert: Some("AuditSinkLagging"),
        },
        Panel {
            title: "Records that wait for sinks",
            description: "They are in the trail.",
            unit: "short",
            queries: &[("steeple_audit_sink_waiting_records", "{{instance}} {{sink}}")],
            alert: None,
        },
        Panel {
            title: "Deliveries",
            description: "Records a second that arrived, and deliveries that failed.",
            unit: "reqps",
            queries: &[
                ("sum by (sink) (rate(steeple_audit_sink_delivered_records_total[5m]))", "{{sink}}"),
                ("sum by (sink) (rate(steeple_audit_sink_failed_deliveries_total[5m]))", "{{sink}} failed"),
            ],
            alert: None,
        },
        Panel {
            title: "Records that sinks never get",
            description: "Refused by the receiver, or taken out of the trail before.",
            unit: "short",
            queries: &[("sum by (sink) (increase(steeple_audit_sink_lost_records_total[1h]))", "{{sink}}")],
            alert: Some("AuditSinkLossy"),
        },
    ],
};

/// Grafana's form of a dashboard; `runbooks` is where runbooks are.
pub(super) fn grafana(dashboard: &Dashboard, runbooks: &str) -> Value {
    let panels: Vec<Value> = (0..).zip(dashboard.panels).map(|(number, of)| panel(number, of, runbooks)).collect();
    json!({
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["steeple"],
        "schemaVersion": 39,
        "editable": true,
        "refresh": "30s",
        "time": { "from": "now-6h", "to": "now" },
        "templating": { "list": [
            { "name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source" },
        ] },
        "links": [{ "type": "dashboards", "title": "steeple", "tags": ["steeple"], "asDropdown": true }],
        "panels": panels,
    })
}

fn panel(number: u32, panel: &Panel, runbooks: &str) -> Value {
    let letters = ["A", "B", "C", "D"];
    let source = json!({ "type": "prometheus", "uid": "${datasource}" });
    let target = |(letter, (expr, legend)): (&&str, &(&str, &str))| json!({ "refId": letter, "expr": expr, "legendFormat": legend, "datasource": source });
    let targets: Vec<Value> = letters.iter().zip(panel.queries).map(target).collect();
    let links: Vec<Value> = panel
        .alert
        .iter()
        .map(|alert| json!({ "title": format!("Runbook: {alert}"), "url": format!("{runbooks}/{alert}.md") }))
        .collect();
    json!({
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": source,
        "gridPos": { "h": 8, "w": 12, "x": (number % 2) * 12, "y": (number / 2) * 8 },
        "fieldConfig": { "defaults": { "unit": panel.unit, "min": 0 }, "overrides": [] },
        "options": { "legend": { "displayMode": "list", "placement": "bottom" }, "tooltip": { "mode": "multi" } },
        "targets": targets,
        "links": links,
    })
}
