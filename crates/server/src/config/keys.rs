//! Which keys there are, and which can't be acted on yet.

use steeple_config::{Block, NotYet};

use super::{ConfigError, invalid};

const fn key(key: &'static str, default: &'static str) -> NotYet {
    NotYet { key, default }
}

/// Keys of the `server` block whose feature comes later, with the value that asks for nothing.
pub const NOT_YET: &[NotYet] = &[
    key("federation", ""),
    key("profiling_enabled", "false"),
    key("proxy_protocol_trusted_cidrs", ""),
    key("experimental.auth_opa_policy_engine", ""),
    key("experimental.feature_flags", ""),
    key("experimental.named_pipe_name", ""),
    key("experimental.require_pq_kem", "false"),
    key("experimental.wit_issuer", ""),
    key("experimental.wit_key_type", ""),
];

const SERVER: &[&str] = &[
    "admin_ids",
    "agent_ttl",
    "audit_log_enabled",
    "bind_address",
    "bind_port",
    "ca_key_type",
    "ca_subject",
    "ca_ttl",
    "data_dir",
    "default_jwt_svid_ttl",
    "default_x509_svid_ttl",
    "disable_jwt_svids",
    "experimental",
    "federation",
    "jwt_issuer",
    "jwt_key_type",
    "log_file",
    "log_format",
    "log_level",
    "log_source_location",
    "max_attested_node_info_staleness",
    "profiling_enabled",
    "profiling_freq",
    "profiling_names",
    "profiling_port",
    "proxy_protocol_trusted_cidrs",
    "prune_attested_nodes_batch_size",
    "prune_attested_nodes_expired_for",
    "prune_tofu_nodes",
    "ratelimit",
    "socket_path",
    "trust_domain",
];

const ROOT: &[&str] = &["server", "plugins", "telemetry", "health_checks"];
const CA_SUBJECT: &[&str] = &["country", "organization", "common_name"];
const RATELIMIT: &[&str] = &["attestation", "signing"];
const HEALTH: &[&str] = &["listener_enabled", "bind_address", "bind_port", "live_path", "ready_path"];

/// Refuses keys that nobody knows, in the blocks in which SPIRE does.
pub(super) fn check_unknown(root: &Block<'_>, server: &Block<'_>) -> Result<(), ConfigError> {
    let blocks = [
        ("", Some(root.clone()), ROOT),
        ("server", Some(server.clone()), SERVER),
        ("server.ca_subject", server.block("ca_subject"), CA_SUBJECT),
        ("server.ratelimit", server.block("ratelimit"), RATELIMIT),
        ("health_checks", root.block("health_checks"), HEALTH),
    ];
    for (name, block, known) in blocks {
        let unknown = block.map(|block| block.unknown(known)).unwrap_or_default();
        if !unknown.is_empty() {
            tracing::error!(section = name, keys = unknown.join(","), "Unknown configuration detected");
            return Err(invalid("unknown configuration detected"));
        }
    }
    Ok(())
}
