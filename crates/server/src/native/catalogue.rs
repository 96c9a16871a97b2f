//! The metrics of a server under names of its own; `docs/reference/metrics.md` shows them.

use steeple_telemetry::native::{Family, Kind};

/// Bounds for calls, in seconds. SLOs are asked at 0.25.
const CALL: Kind = Kind::Histogram(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0]);
const RESULT: (&str, &str) =
    ("result", "`ok`; `refused`, which the caller has to mend; `failed`, which the server has to");
const SVID: (&str, &str) = ("type", "`x509`, `jwt`, `downstream_ca`, `agent`");
const SINK: (&str, &str) = ("sink", "names of the configuration, 16 at most");
const AUTHORITY: (&str, &str) = ("type", "`x509`, `jwt`");

pub(super) const BUILD: Family = Family {
    name: "steeple_build_info",
    kind: Kind::Gauge,
    labels: &[("version", "of steeple")],
    help: "1, of the version that runs",
    alerts: &[],
};
pub(super) const SVID_REQUESTS: Family = Family {
    name: "steeple_svid_requests_total",
    kind: Kind::Counter,
    labels: &[SVID, RESULT],
    help: "SVIDs that were asked for; each of a batch counts",
    alerts: &["IssuanceFastBurn", "IssuanceSlowBurn", "IssuanceDrift"],
};
pub(super) const SVID_DURATION: Family = Family {
    name: "steeple_svid_request_duration_seconds",
    kind: CALL,
    labels: &[SVID],
    help: "how long calls took that issue SVIDs; a batch is one",
    alerts: &["IssuanceLatencyBurn"],
};
pub(super) const ATTESTATIONS: Family = Family {
    name: "steeple_node_attestations_total",
    kind: Kind::Counter,
    labels: &[RESULT],
    help: "attestations of nodes",
    alerts: &["AttestationFastBurn", "AttestationSlowBurn", "NodeAttestRefused"],
};
pub(super) const ATTESTATION_DURATION: Family = Family {
    name: "steeple_node_attestation_duration_seconds",
    kind: CALL,
    labels: &[],
    help: "how long they took",
    alerts: &[],
};
pub(super) const DENIED: Family = Family {
    name: "steeple_denied_calls_total",
    kind: Kind::Counter,
    labels: &[],
    help: "calls that the caller may not make",
    alerts: &["DeniedSpike"],
};
pub(super) const AUTHORITY_NOT_AFTER: Family = Family {
    name: "steeple_authority_not_after_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[AUTHORITY],
    help: "when the authority that signs ends, 0 when there is none",
    alerts: &["AuthorityExpirySoon", "AuthorityExpiryCritical"],
};
pub(super) const AUTHORITY_LIFETIME: Family = Family {
    name: "steeple_authority_lifetime_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "for how long authorities are made (`ca_ttl`)",
    alerts: &["AuthorityExpirySoon", "AuthorityExpiryCritical"],
};
pub(super) const AUTHORITY_PREPARED: Family = Family {
    name: "steeple_authority_prepared",
    kind: Kind::Gauge,
    labels: &[AUTHORITY],
    help: "1 when the next authority is there",
    alerts: &["AuthorityExpirySoon"],
};
pub(super) const AUTHORITY_IN_BUNDLE: Family = Family {
    name: "steeple_authority_active_in_bundle",
    kind: Kind::Gauge,
    labels: &[AUTHORITY],
    help: "1 when who has the bundle can verify what the authority signs",
    alerts: &["AuthorityNotInBundle"],
};
pub(super) const ROTATION_FAILURES: Family = Family {
    name: "steeple_authority_rotation_failures",
    kind: Kind::Gauge,
    labels: &[],
    help: "how many times in a row the rotation of authorities has failed",
    alerts: &["RotationFailing"],
};
pub(super) const DATASTORE_UP: Family = Family {
    name: "steeple_datastore_up",
    kind: Kind::Gauge,
    labels: &[],
    help: "1 when the datastore answered when it was last asked, every five seconds",
    alerts: &["DatastoreDown"],
};
pub(super) const DATASTORE_DURATION: Family = Family {
    name: "steeple_datastore_probe_duration_seconds",
    kind: CALL,
    labels: &[],
    help: "how long that answer took",
    alerts: &["DatastoreSlow"],
};
pub(super) const ENTRIES: Family = Family {
    name: "steeple_entries",
    kind: Kind::Gauge,
    labels: &[],
    help: "registration entries that the server knows",
    alerts: &[],
};
pub(super) const AGENTS: Family = Family {
    name: "steeple_agents",
    kind: Kind::Gauge,
    labels: &[],
    help: "attested agents that the server knows, banned ones too",
    alerts: &[],
};
pub(super) const FEDERATED_REFRESHES: Family = Family {
    name: "steeple_federated_bundle_refreshes_total",
    kind: Kind::Counter,
    labels: &[("result", "`ok`, `failed`")],
    help: "attempts to fetch the bundle of another trust domain",
    alerts: &[],
};
pub(super) const FEDERATED_FAILING: Family = Family {
    name: "steeple_federated_bundles_failing",
    kind: Kind::Gauge,
    labels: &[],
    help: "trust domains whose bundle could not be fetched at the last attempt",
    alerts: &["FederatedBundlesFailing"],
};
pub(super) const AUDIT_RECORDS: Family = Family {
    name: "steeple_audit_records_total",
    kind: Kind::Counter,
    labels: &[("result", "`ok`, `failed`")],
    help: "records that were to be written to the audit trail; what a failed one is of was refused",
    alerts: &["AuditWriteFailing"],
};
pub(super) const AUDIT_DURATION: Family = Family {
    name: "steeple_audit_write_duration_seconds",
    kind: CALL,
    labels: &[],
    help: "how long it took until they were on disk",
    alerts: &[],
};
pub(super) const AUDIT_DISK_FREE: Family = Family {
    name: "steeple_audit_disk_free_ratio",
    kind: Kind::Gauge,
    labels: &[],
    help: "free part of the file system of the audit trail; 1 without a trail",
    alerts: &["AuditDiskLow", "AuditDiskCritical"],
};
pub(super) const SINK_UP: Family = Family {
    name: "steeple_audit_sink_up",
    kind: Kind::Gauge,
    labels: &[SINK],
    help: "1 when the receiver took what it was sent last",
    alerts: &["AuditSinkDown"],
};
pub(super) const SINK_WAITING: Family = Family {
    name: "steeple_audit_sink_waiting_records",
    kind: Kind::Gauge,
    labels: &[SINK],
    help: "records of the trail that the sink has not come to yet",
    alerts: &[],
};
pub(super) const SINK_LAG: Family = Family {
    name: "steeple_audit_sink_lag_seconds",
    kind: Kind::Gauge,
    labels: &[SINK],
    help: "age of the record that it is to deliver next, 0 when none waits",
    alerts: &["AuditSinkLagging"],
};
pub(super) const SINK_DELIVERED: Family = Family {
    name: "steeple_audit_sink_delivered_records_total",
    kind: Kind::Counter,
    labels: &[SINK],
    help: "records that were delivered, without those that its filter leaves out",
    alerts: &[],
};
pub(super) const SINK_FAILURES: Family = Family {
    name: "steeple_audit_sink_failed_deliveries_total",
    kind: Kind::Counter,
    labels: &[SINK],
    help: "deliveries that failed, after which the records wait and go out again",
    alerts: &[],
};
pub(super) const SINK_LOST: Family = Family {
    name: "steeple_audit_sink_lost_records_total",
    kind: Kind::Counter,
    labels: &[SINK],
    help: "records that the sink never gets: its receiver refused them, or retention took them out of the trail before",
    alerts: &["AuditSinkLossy"],
};
pub(super) const CLOCK_JUMPS: Family = Family {
    name: "steeple_clock_jumps_total",
    kind: Kind::Counter,
    labels: &[],
    help: "how often the machine's time went more than five seconds otherwise than it passed",
    alerts: &["ClockJumped"],
};

/// All of them.
pub const FAMILIES: &[&Family] = &[
    &BUILD,
    &SVID_REQUESTS,
    &SVID_DURATION,
    &ATTESTATIONS,
    &ATTESTATION_DURATION,
    &DENIED,
    &AUTHORITY_NOT_AFTER,
    &AUTHORITY_LIFETIME,
    &AUTHORITY_PREPARED,
    &AUTHORITY_IN_BUNDLE,
    &ROTATION_FAILURES,
    &DATASTORE_UP,
    &DATASTORE_DURATION,
    &ENTRIES,
    &AGENTS,
    &FEDERATED_REFRESHES,
    &FEDERATED_FAILING,
    &AUDIT_RECORDS,
    &AUDIT_DURATION,
    &AUDIT_DISK_FREE,
    &SINK_UP,
    &SINK_WAITING,
    &SINK_LAG,
    &SINK_DELIVERED,
    &SINK_FAILURES,
    &SINK_LOST,
    &CLOCK_JUMPS,
];
