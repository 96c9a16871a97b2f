//! The alerts, each with a case in which it fires and one in which it stays silent.
//!
//! Windows are told in minutes, so that a test can have an hour pass in a minute.

use super::thresholds as limit;

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Somebody, at once.
    Page,
    /// Somebody, in office hours.
    Ticket,
    /// Those who look after security, and nobody is kept from hearing it.
    Security,
    /// Nobody: its absence is what tells.
    None,
}

impl Severity {
    /// The label `severity`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
            Self::Security => "security",
            Self::None => "none",
        }
    }
}

/// What Prometheus has seen, a value a minute, and when it is asked, in minutes.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Series with their values in the notation of `promtool`.
    pub series: &'static [(&'static str, &'static str)],
    /// When.
    pub at: u32,
}

/// An alert.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The name, which is that of its runbook too.
    pub name: &'static str,
    /// Who is told.
    pub severity: Severity,
    /// What is so.
    pub expr: String,
    /// For how many minutes.
    pub minutes: u32,
    /// In a few words.
    pub summary: &'static str,
    /// What follows from it.
    pub description: &'static str,
    /// It fires here…
    pub fires: Case,
    /// …with these labels besides its severity…
    pub labels: &'static [(&'static str, &'static str)],
    /// …and is silent here; only the watchdog never is.
    pub silent: Option<Case>,
}

const SERVER: &[(&str, &str)] = &[("instance", "s"), ("job", "steeple-server")];
const AGENT: &[(&str, &str)] = &[("instance", "a"), ("job", "steeple-agent")];
const X509: &[(&str, &str)] = &[("instance", "s"), ("job", "steeple-server"), ("type", "x509")];

const fn case(series: &'static [(&'static str, &'static str)], at: u32) -> Case {
    Case { series, at }
}

/// The part of `selected` in all that `total` counts, over so many minutes.
fn ratio(total: &str, selected: &str, minutes: u32) -> String {
    format!("sum(rate({total}{{{selected}}}[{minutes}m])) / sum(rate({total}[{minutes}m]))")
}

/// Failures burn the budget `factor` times as fast as it lasts, over a long window and over a short one.
fn burn(total: &str, factor: f64, long: u32, short: u32) -> String {
    let over = |minutes| {
        let failed = ratio(total, "result=\"failed\"", minutes);
        format!("({failed}) > {factor} * {}", limit::ERROR_BUDGET)
    };
    format!("{} and {}", over(long), over(short))
}

fn slow(minutes: u32) -> String {
    let times = "steeple_svid_request_duration_seconds";
    let fast = format!("sum(rate({times}_bucket{{le=\"{}\"}}[{minutes}m]))", limit::SLOW_CALL);
    format!("(1 - {fast} / sum(rate({times}_count[{minutes}m]))) > 14.4 * {}", limit::SLOW_BUDGET)
}

/// All alerts.
pub fn alerts() -> Vec<Alert> {
    [issuance(), attestation(), agents(), workloads(), authorities(), stores(), safety(), sinks(), targets()].concat()
}

fn issuance() -> Vec<Alert> {
    const REQUESTS: &str = "steeple_svid_requests_total";
    const FAST: &[(&str, &str)] = &[
        (r#"steeple_svid_requests_total{type="x509",result="ok"}"#, "0+95x500"),
        (r#"steeple_svid_requests_total{type="x509",result="failed"}"#, "0+5x500"),
    ];
    const SLOW: &[(&str, &str)] = &[
        (r#"steeple_svid_requests_total{type="x509",result="ok"}"#, "0+990x500"),
        (r#"steeple_svid_requests_total{type="x509",result="failed"}"#, "0+10x500"),
    ];
    const DRIFT: &[(&str, &str)] = &[
        (r#"steeple_svid_requests_total{type="x509",result="ok"}"#, "0+998x500"),
        (r#"steeple_svid_requests_total{type="x509",result="failed"}"#, "0+2x500"),
    ];
    const REFUSED: &[(&str, &str)] = &[
        (r#"steeple_svid_requests_total{type="x509",result="ok"}"#, "0+95x500"),
        (r#"steeple_svid_requests_total{type="x509",result="refused"}"#, "0+5x500"),
        (r#"steeple_svid_requests_total{type="x509",result="failed"}"#, "0x500"),
    ];
    vec![
        Alert {
            name: "IssuanceFastBurn",
            severity: Severity::Page,
            expr: burn(REQUESTS, 14.4, 60, 5),
            minutes: 2,
            summary: "SVIDs can't be issued",
            description: "So many requests fail that the budget of a month is gone in two days. Workloads lose their identities when what they hold ends.",
            fires: case(FAST, 70),
            labels: &[],
            silent: Some(case(SLOW, 70)),
        },
        Alert {
            name: "IssuanceSlowBurn",
            severity: Severity::Page,
            expr: burn(REQUESTS, 6.0, 360, 30),
            minutes: 15,
            summary: "Some SVIDs can't be issued",
            description: "Requests have failed for hours; the budget of a month is gone in five days.",
            fires: case(SLOW, 400),
            labels: &[],
            silent: Some(case(DRIFT, 400)),
        },
        Alert {
            name: "IssuanceDrift",
            severity: Severity::Ticket,
            expr: burn(REQUESTS, 1.0, 4320, 360),
            minutes: 60,
            summary: "Now and then an SVID can't be issued",
            description: "Requests fail as often as the budget allows or oftener.",
            fires: case(DRIFT, 480),
            labels: &[],
            silent: Some(case(REFUSED, 480)),
        },
        Alert {
            name: "IssuanceLatencyBurn",
            severity: Severity::Page,
            expr: format!("{} and {}", slow(60), slow(5)),
            minutes: 2,
            summary: "Issuing is slow",
            description: "More than one call in seven takes longer than 250 ms; agents with many workloads fall behind.",
            fires: case(
                &[
                    (r#"steeple_svid_request_duration_seconds_bucket{le="0.25"}"#, "0+80x100"),
                    ("steeple_svid_request_duration_seconds_count", "0+100x100"),
                ],
                70,
            ),
            labels: &[],
            silent: Some(case(
                &[
                    (r#"steeple_svid_request_duration_seconds_bucket{le="0.25"}"#, "0+99x100"),
                    ("steeple_svid_request_duration_seconds_count", "0+100x100"),
                ],
                70,
            )),
        },
    ]
}

fn attestation() -> Vec<Alert> {
    const NODES: &str = "steeple_node_attestations_total";
    const FAILED: &[(&str, &str)] = &[
        (r#"steeple_node_attestations_total{result="ok"}"#, "0+9x500"),
        (r#"steeple_node_attestations_total{result="refused"}"#, "0x500"),
        (r#"steeple_node_attestations_total{result="failed"}"#, "0+1x500"),
    ];
    const REFUSED: &[(&str, &str)] = &[
        (r#"steeple_node_attestations_total{result="ok"}"#, "0+6x500"),
        (r#"steeple_node_attestations_total{result="refused"}"#, "0+4x500"),
        (r#"steeple_node_attestations_total{result="failed"}"#, "0x500"),
    ];
    vec![
        Alert {
            name: "AttestationFastBurn",
            severity: Severity::Page,
            expr: burn(NODES, 14.4, 60, 5),
            minutes: 2,
            summary: "Nodes can't attest",
            description: "The server fails to attest agents; new nodes get no identities.",
            fires: case(FAILED, 70),
            labels: &[],
            silent: Some(case(REFUSED, 70)),
        },
        Alert {
            name: "AttestationSlowBurn",
            severity: Severity::Ticket,
            expr: burn(NODES, 6.0, 360, 30),
            minutes: 15,
            summary: "Some nodes can't attest",
            description: "The server has failed to attest some agents for hours.",
            fires: case(FAILED, 400),
            labels: &[],
            silent: Some(case(REFUSED, 400)),
        },
        Alert {
            name: "NodeAttestRefused",
            severity: Severity::Security,
            expr: format!("({}) > {}", ratio(NODES, "result=\"refused\"", 10), limit::REFUSED_RATIO),
            minutes: 10,
            summary: "Many attestations of nodes are refused",
            description: "Somebody tries to attest who may not, or the configuration of an attestor is wrong.",
            fires: case(REFUSED, 30),
            labels: &[],
            silent: Some(case(FAILED, 30)),
        },
    ]
}

fn agents() -> Vec<Alert> {
    vec![
        Alert {
            name: "PropagationSlow",
            severity: Severity::Ticket,
            expr: format!(
                "histogram_quantile(0.99, sum by (le) (rate(steeple_agent_sync_duration_seconds_bucket[10m]))) > {}",
                limit::SLOW_SYNC
            ),
            minutes: 10,
            summary: "Agents learn of entries slowly",
            description: "One synchronisation in a hundred takes longer than the pause between two.",
            fires: case(
                &[
                    (r#"steeple_agent_sync_duration_seconds_bucket{le="2.5"}"#, "0+1x60"),
                    (r#"steeple_agent_sync_duration_seconds_bucket{le="10"}"#, "0+10x60"),
                    (r#"steeple_agent_sync_duration_seconds_bucket{le="+Inf"}"#, "0+10x60"),
                ],
                40,
            ),
            labels: &[],
            silent: Some(case(
                &[
                    (r#"steeple_agent_sync_duration_seconds_bucket{le="2.5"}"#, "0+10x60"),
                    (r#"steeple_agent_sync_duration_seconds_bucket{le="10"}"#, "0+10x60"),
                    (r#"steeple_agent_sync_duration_seconds_bucket{le="+Inf"}"#, "0+10x60"),
                ],
                40,
            )),
        },
        Alert {
            name: "AgentLagging",
            severity: Severity::Ticket,
            expr: format!("time() - (steeple_agent_last_sync_timestamp_seconds > 0) > {}", limit::AGENT_LAG),
            minutes: 10,
            summary: "An agent doesn't reach its server",
            description: "It goes on with what it has; new entries and removed ones don't reach it, and its SVIDs will end.",
            fires: case(
                &[(r#"steeple_agent_last_sync_timestamp_seconds{instance="a",job="steeple-agent"}"#, "60x60")],
                20,
            ),
            labels: AGENT,
            silent: Some(case(
                &[(r#"steeple_agent_last_sync_timestamp_seconds{instance="a",job="steeple-agent"}"#, "1+60x60")],
                20,
            )),
        },
        Alert {
            name: "AgentSvidExpirySoon",
            severity: Severity::Page,
            expr: format!(
                "(steeple_agent_svid_not_after_timestamp_seconds > 0) - time() < {} * steeple_agent_svid_lifetime_seconds",
                limit::SVID_LEFT
            ),
            minutes: 5,
            summary: "An agent has not renewed its own SVID",
            description: "It renews at half of its life. When it ends, the agent must attest again, which some attestors can't.",
            fires: case(
                &[
                    (r#"steeple_agent_svid_not_after_timestamp_seconds{instance="a",job="steeple-agent"}"#, "3600x60"),
                    (r#"steeple_agent_svid_lifetime_seconds{instance="a",job="steeple-agent"}"#, "3600x60"),
                ],
                55,
            ),
            labels: AGENT,
            silent: Some(case(
                &[
                    (r#"steeple_agent_svid_not_after_timestamp_seconds{instance="a",job="steeple-agent"}"#, "3600x60"),
                    (r#"steeple_agent_svid_lifetime_seconds{instance="a",job="steeple-agent"}"#, "3600x60"),
                ],
                40,
            )),
        },
    ]
}

fn workloads() -> Vec<Alert> {
    vec![
        Alert {
            name: "WorkloadsNearExpiry",
            severity: Severity::Page,
            expr: "steeple_workload_svids_overdue > 0".to_owned(),
            minutes: 5,
            summary: "X.509-SVIDs of workloads are about to end",
            description: "They have less than a quarter of their life left and were not renewed.",
            fires: case(&[(r#"steeple_workload_svids_overdue{instance="a",job="steeple-agent"}"#, "3x20")], 10),
            labels: AGENT,
            silent: Some(case(
                &[(r#"steeple_workload_svids_overdue{instance="a",job="steeple-agent"}"#, "0 3 3 0x20")],
                10,
            )),
        },
        Alert {
            name: "WorkloadAttestationFailing",
            severity: Severity::Ticket,
            expr: format!(
                "({}) > {}",
                ratio("steeple_workload_attestations_total", "result=\"failed\"", 10),
                limit::REFUSED_RATIO
            ),
            minutes: 10,
            summary: "Workloads can't be attested",
            description: "Agents can't tell who calls them: a kubelet, Docker or the kernel doesn't answer.",
            fires: case(
                &[
                    (r#"steeple_workload_attestations_total{result="ok"}"#, "0+6x60"),
                    (r#"steeple_workload_attestations_total{result="failed"}"#, "0+4x60"),
                ],
                30,
            ),
            labels: &[],
            silent: Some(case(
                &[
                    (r#"steeple_workload_attestations_total{result="ok"}"#, "0+9x60"),
                    (r#"steeple_workload_attestations_total{result="failed"}"#, "0+1x60"),
                ],
                30,
            )),
        },
        Alert {
            name: "SdsNack",
            severity: Severity::Ticket,
            expr: "increase(steeple_sds_nacks_total[10m]) > 0".to_owned(),
            minutes: 0,
            summary: "An Envoy does not take its secrets",
            description: "It goes on with those it has until they end.",
            fires: case(&[(r#"steeple_sds_nacks_total{instance="a",job="steeple-agent"}"#, "0x10 1x10")], 12),
            labels: AGENT,
            silent: Some(case(&[(r#"steeple_sds_nacks_total{instance="a",job="steeple-agent"}"#, "4x20")], 12)),
        },
    ]
}

fn authorities() -> Vec<Alert> {
    const LIFE: (&str, &str) = (r#"steeple_authority_lifetime_seconds{instance="s",job="steeple-server"}"#, "6000x200");
    const ENDS: (&str, &str) =
        (r#"steeple_authority_not_after_timestamp_seconds{instance="s",job="steeple-server",type="x509"}"#, "6000x200");
    const ALONE: (&str, &str) =
        (r#"steeple_authority_prepared{instance="s",job="steeple-server",type="x509"}"#, "0x200");
    const NEXT: (&str, &str) =
        (r#"steeple_authority_prepared{instance="s",job="steeple-server",type="x509"}"#, "1x200");
    let left = |part: f64| {
        format!(
            "steeple_authority_not_after_timestamp_seconds - time() < on (job, instance) group_left () \
             ({part} * steeple_authority_lifetime_seconds)"
        )
    };
    vec![
        Alert {
            name: "AuthorityExpirySoon",
            severity: Severity::Ticket,
            expr: format!("({}) and steeple_authority_prepared == 0", left(limit::AUTHORITY_SOON)),
            minutes: 15,
            summary: "The next authority is not prepared",
            description: "Less than a third is left of the authority that signs; the next one is prepared at half of it, so that all learn it in time.",
            fires: case(&[LIFE, ENDS, ALONE], 85),
            labels: X509,
            silent: Some(case(&[LIFE, ENDS, NEXT], 85)),
        },
        Alert {
            name: "AuthorityExpiryCritical",
            severity: Severity::Page,
            expr: left(limit::AUTHORITY_CRITICAL),
            minutes: 5,
            summary: "The authority that signs is about to end",
            description: "What it signs ends with it, so SVIDs are short by now; when it has ended nothing is issued.",
            fires: case(&[LIFE, ENDS], 97),
            labels: X509,
            silent: Some(case(&[LIFE, ENDS], 80)),
        },
        Alert {
            name: "AuthorityNotInBundle",
            severity: Severity::Security,
            expr: "steeple_authority_active_in_bundle == 0".to_owned(),
            minutes: 1,
            summary: "What is issued can't be verified",
            description: "The authority that signs is not in the bundle: workloads with new SVIDs are refused by all others.",
            fires: case(
                &[(r#"steeple_authority_active_in_bundle{instance="s",job="steeple-server",type="x509"}"#, "1x5 0x20")],
                10,
            ),
            labels: X509,
            silent: Some(case(
                &[(r#"steeple_authority_active_in_bundle{instance="s",job="steeple-server",type="x509"}"#, "1x20")],
                10,
            )),
        },
        Alert {
            name: "RotationFailing",
            severity: Severity::Page,
            expr: format!("steeple_authority_rotation_failures >= {}", limit::ROTATION_FAILURES),
            minutes: 0,
            summary: "Authorities can't be rotated",
            description: "Key manager, upstream authority or datastore fails; the authority goes on signing until it ends.",
            fires: case(
                &[(r#"steeple_authority_rotation_failures{instance="s",job="steeple-server"}"#, "0 1 2 3x10")],
                5,
            ),
            labels: SERVER,
            silent: Some(case(
                &[(r#"steeple_authority_rotation_failures{instance="s",job="steeple-server"}"#, "0 1 0x10")],
                1,
            )),
        },
        Alert {
            name: "FederatedBundlesFailing",
            severity: Severity::Ticket,
            expr: "steeple_federated_bundles_failing > 0".to_owned(),
            minutes: 15,
            summary: "The bundle of another trust domain can't be fetched",
            description: "Its keys of before go on being believed; when it rotates, its workloads are refused.",
            fires: case(&[(r#"steeple_federated_bundles_failing{instance="s",job="steeple-server"}"#, "1x30")], 20),
            labels: SERVER,
            silent: Some(case(
                &[(r#"steeple_federated_bundles_failing{instance="s",job="steeple-server"}"#, "1x9 0x20")],
                20,
            )),
        },
    ]
}

fn stores() -> Vec<Alert> {
    vec![
        Alert {
            name: "DatastoreDown",
            severity: Severity::Page,
            expr: "steeple_datastore_up == 0".to_owned(),
            minutes: 1,
            summary: "The datastore doesn't answer",
            description: "Nothing can be changed and no node can attest; agents that are known go on.",
            fires: case(&[(r#"steeple_datastore_up{instance="s",job="steeple-server"}"#, "1x5 0x20")], 10),
            labels: SERVER,
            silent: Some(case(&[(r#"steeple_datastore_up{instance="s",job="steeple-server"}"#, "1x5 0 1x20")], 6)),
        },
        Alert {
            name: "DatastoreSlow",
            severity: Severity::Ticket,
            expr: format!(
                "histogram_quantile(0.99, sum by (job, instance, le) \
                 (rate(steeple_datastore_probe_duration_seconds_bucket[10m]))) > {}",
                limit::SLOW_DATASTORE
            ),
            minutes: 10,
            summary: "The datastore answers slowly",
            description: "Changes and attestations wait for it.",
            fires: case(
                &[
                    (
                        r#"steeple_datastore_probe_duration_seconds_bucket{instance="s",job="steeple-server",le="0.1"}"#,
                        "0+1x60",
                    ),
                    (
                        r#"steeple_datastore_probe_duration_seconds_bucket{instance="s",job="steeple-server",le="0.5"}"#,
                        "0+12x60",
                    ),
                    (
                        r#"steeple_datastore_probe_duration_seconds_bucket{instance="s",job="steeple-server",le="+Inf"}"#,
                        "0+12x60",
                    ),
                ],
                40,
            ),
            labels: SERVER,
            silent: Some(case(
                &[
                    (
                        r#"steeple_datastore_probe_duration_seconds_bucket{instance="s",job="steeple-server",le="0.1"}"#,
                        "0+12x60",
                    ),
                    (
                        r#"steeple_datastore_probe_duration_seconds_bucket{instance="s",job="steeple-server",le="0.5"}"#,
                        "0+12x60",
                    ),
                    (
                        r#"steeple_datastore_probe_duration_seconds_bucket{instance="s",job="steeple-server",le="+Inf"}"#,
                        "0+12x60",
                    ),
                ],
                40,
            )),
        },
    ]
}

fn safety() -> Vec<Alert> {
    const FREE: &str = r#"steeple_audit_disk_free_ratio{instance="s",job="steeple-server"}"#;
    vec![
        Alert {
            name: "AuditWriteFailing",
            severity: Severity::Security,
            expr: "increase(steeple_audit_records_total{result=\"failed\"}[5m]) > 0".to_owned(),
            minutes: 0,
            summary: "The audit trail can't be written",
            description: "Nothing is issued and nothing changed until it can; identities that are out go on working.",
            fires: case(
                &[(r#"steeple_audit_records_total{instance="s",job="steeple-server",result="failed"}"#, "0x10 5x10")],
                12,
            ),
            labels: &[("instance", "s"), ("job", "steeple-server"), ("result", "failed")],
            silent: Some(case(
                &[
                    (r#"steeple_audit_records_total{instance="s",job="steeple-server",result="failed"}"#, "5x20"),
                    (r#"steeple_audit_records_total{instance="s",job="steeple-server",result="ok"}"#, "0+9x20"),
                ],
                12,
            )),
        },
        Alert {
            name: "AuditDiskLow",
            severity: Severity::Ticket,
            expr: format!("steeple_audit_disk_free_ratio < {}", limit::DISK_LOW),
            minutes: 10,
            summary: "The disk of the audit trail fills up",
            description: "When it is full nothing is issued.",
            fires: case(&[(FREE, "0.1x30")], 15),
            labels: SERVER,
            silent: Some(case(&[(FREE, "0.3x30")], 15)),
        },
        Alert {
            name: "AuditDiskCritical",
            severity: Severity::Page,
            expr: format!("steeple_audit_disk_free_ratio < {}", limit::DISK_CRITICAL),
            minutes: 1,
            summary: "The disk of the audit trail is nearly full",
            description: "When it is full nothing is issued.",
            fires: case(&[(FREE, "0.01x30")], 5),
            labels: SERVER,
            silent: Some(case(&[(FREE, "0.1x30")], 5)),
        },
        Alert {
            name: "DeniedSpike",
            severity: Severity::Security,
            expr: format!(
                "sum(rate(steeple_denied_calls_total[5m])) > {} * sum(rate(steeple_denied_calls_total[1440m])) \
                 and sum(increase(steeple_denied_calls_total[5m])) > {}",
                limit::DENIED_FACTOR,
                limit::DENIED_COUNT
            ),
            minutes: 5,
            summary: "Many more calls than usual are denied",
            description: "Somebody tries what he may not, or has lost rights that he needs.",
            fires: case(&[("steeple_denied_calls_total", "0x600 0+60x20")], 615),
            labels: &[],
            silent: Some(case(&[("steeple_denied_calls_total", "0+60x620")], 615)),
        },
        Alert {
            name: "ClockJumped",
            severity: Severity::Ticket,
            expr: "increase(steeple_clock_jumps_total[10m]) > 0".to_owned(),
            minutes: 0,
            summary: "The time of a server has jumped",
            description: "SVIDs may be refused as not valid yet, or have ended already.",
            fires: case(&[(r#"steeple_clock_jumps_total{instance="s",job="steeple-server"}"#, "0x10 1x10")], 12),
            labels: SERVER,
            silent: Some(case(&[(r#"steeple_clock_jumps_total{instance="s",job="steeple-server"}"#, "2x20")], 12)),
        },
    ]
}

fn sinks() -> Vec<Alert> {
    const UP: &str = r#"steeple_audit_sink_up{instance="s",job="steeple-server",sink="siem"}"#;
    const LAG: &str = r#"steeple_audit_sink_lag_seconds{instance="s",job="steeple-server",sink="siem"}"#;
    const LOST: &str = r#"steeple_audit_sink_lost_records_total{instance="s",job="steeple-server",sink="siem"}"#;
    const SINK: &[(&str, &str)] = &[("instance", "s"), ("job", "steeple-server"), ("sink", "siem")];
    vec![
        Alert {
            name: "AuditSinkDown",
            severity: Severity::Security,
            expr: "steeple_audit_sink_up == 0".to_owned(),
            minutes: 5,
            summary: "A sink of the audit trail takes no records",
            description: "They wait in the trail, and nobody is slowed; who looks for them at the receiver does not see them.",
            fires: case(&[(UP, "0x20")], 10),
            labels: SINK,
            silent: Some(case(&[(UP, "0x3 1x20")], 10)),
        },
        Alert {
            name: "AuditSinkLagging",
            severity: Severity::Ticket,
            expr: format!("steeple_audit_sink_lag_seconds > {}", limit::SINK_LAG),
            minutes: 10,
            summary: "A sink of the audit trail is behind",
            description: "Its receiver takes records more slowly than they are made.",
            fires: case(&[(LAG, "900x30")], 15),
            labels: SINK,
            silent: Some(case(&[(LAG, "60x30")], 15)),
        },
        Alert {
            name: "AuditSinkLossy",
            severity: Severity::Security,
            expr: "increase(steeple_audit_sink_lost_records_total[10m]) > 0".to_owned(),
            minutes: 0,
            summary: "A sink of the audit trail will never get some records",
            description: "Its receiver refused them, or retention took them out of the trail before they were delivered.",
            fires: case(&[(LOST, "0x10 2x10")], 12),
            labels: SINK,
            silent: Some(case(&[(LOST, "2x20")], 12)),
        },
    ]
}

fn targets() -> Vec<Alert> {
    vec![
        Alert {
            name: "TargetDown",
            severity: Severity::Ticket,
            expr: "up{job=~\"steeple-.*\"} == 0".to_owned(),
            minutes: 5,
            summary: "A server or an agent does not answer Prometheus",
            description: "It is down, or its metrics can't be reached: no other alert can tell of it.",
            fires: case(&[(r#"up{instance="a",job="steeple-agent"}"#, "0x20")], 10),
            labels: AGENT,
            silent: Some(case(
                &[(r#"up{instance="a",job="steeple-agent"}"#, "1x20"), (r#"up{instance="o",job="other"}"#, "0x20")],
                10,
            )),
        },
        Alert {
            name: "ControlPlaneAbsent",
            severity: Severity::Page,
            expr: "absent(up{job=\"steeple-server\"} == 1)".to_owned(),
            minutes: 5,
            summary: "No server is up",
            description: "Agents go on with what they have; nothing new is issued, and SVIDs end one after the other.",
            fires: case(&[(r#"up{instance="s",job="steeple-server"}"#, "0x20")], 10),
            labels: &[],
            silent: Some(case(
                &[
                    (r#"up{instance="s",job="steeple-server"}"#, "0x20"),
                    (r#"up{instance="t",job="steeple-server"}"#, "1x20"),
                ],
                10,
            )),
        },
        Alert {
            name: "MetaWatchdog",
            severity: Severity::None,
            expr: "vector(1)".to_owned(),
            minutes: 0,
            summary: "Alerts arrive",
            description: "Always fires. When it stops arriving, no other alert would.",
            fires: case(&[("up", "1x5")], 1),
            labels: &[],
            silent: None,
        },
    ]
}
