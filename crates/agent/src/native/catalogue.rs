//! The metrics of an agent under names of its own; `docs/reference/metrics.md` shows them.

use steeple_telemetry::native::{Family, Kind};

/// Bounds for calls, in seconds.
const CALL: Kind = Kind::Histogram(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0]);
const RESULT: (&str, &str) = ("result", "`ok`, `failed`");

pub(super) const BUILD: Family = Family {
    name: "steeple_build_info",
    kind: Kind::Gauge,
    labels: &[("version", "of steeple")],
    help: "1, of the version that runs",
    alerts: &[],
};
pub(super) const SYNCS: Family = Family {
    name: "steeple_agent_syncs_total",
    kind: Kind::Counter,
    labels: &[RESULT],
    help: "times that the server was asked for entries and bundles",
    alerts: &[],
};
pub(super) const SYNC_DURATION: Family = Family {
    name: "steeple_agent_sync_duration_seconds",
    kind: CALL,
    labels: &[],
    help: "how long that took",
    alerts: &["PropagationSlow"],
};
pub(super) const LAST_SYNC: Family = Family {
    name: "steeple_agent_last_sync_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "when the server last answered, 0 before it has",
    alerts: &["AgentLagging"],
};
pub(super) const OWN_NOT_AFTER: Family = Family {
    name: "steeple_agent_svid_not_after_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "when the agent's own X.509-SVID ends, 0 without one",
    alerts: &["AgentSvidExpirySoon"],
};
pub(super) const OWN_LIFETIME: Family = Family {
    name: "steeple_agent_svid_lifetime_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "for how long it was made",
    alerts: &["AgentSvidExpirySoon"],
};
pub(super) const SVIDS: Family = Family {
    name: "steeple_workload_svids",
    kind: Kind::Gauge,
    labels: &[],
    help: "X.509-SVIDs of workloads that the agent holds",
    alerts: &[],
};
pub(super) const SVIDS_OVERDUE: Family = Family {
    name: "steeple_workload_svids_overdue",
    kind: Kind::Gauge,
    labels: &[],
    help: "of these, how many have less than a quarter of their life left; they are renewed at half of it",
    alerts: &["WorkloadsNearExpiry"],
};
pub(super) const SVIDS_EARLIEST: Family = Family {
    name: "steeple_workload_svid_earliest_not_after_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "when the first of them ends, 0 when there are none",
    alerts: &[],
};
pub(super) const ATTESTATIONS: Family = Family {
    name: "steeple_workload_attestations_total",
    kind: Kind::Counter,
    labels: &[RESULT],
    help: "attestations of workloads",
    alerts: &["WorkloadAttestationFailing"],
};
pub(super) const ATTESTATION_DURATION: Family = Family {
    name: "steeple_workload_attestation_duration_seconds",
    kind: CALL,
    labels: &[],
    help: "how long they took",
    alerts: &[],
};
pub(super) const DENIALS: Family = Family {
    name: "steeple_workload_denials_total",
    kind: Kind::Counter,
    labels: &[],
    help: "calls of workloads for which there is no identity",
    alerts: &[],
};
pub(super) const SDS_NACKS: Family = Family {
    name: "steeple_sds_nacks_total",
    kind: Kind::Counter,
    labels: &[],
    help: "secrets that an Envoy did not take",
    alerts: &["SdsNack"],
};

/// All of them.
pub const FAMILIES: &[&Family] = &[
    &BUILD,
    &SYNCS,
    &SYNC_DURATION,
    &LAST_SYNC,
    &OWN_NOT_AFTER,
    &OWN_LIFETIME,
    &SVIDS,
    &SVIDS_OVERDUE,
    &SVIDS_EARLIEST,
    &ATTESTATIONS,
    &ATTESTATION_DURATION,
    &DENIALS,
    &SDS_NACKS,
];
