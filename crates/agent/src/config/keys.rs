//! Which keys there are, and which can't be acted on yet.

use steeple_config::{Block, NotYet};

use super::{ConfigError, invalid};

const fn key(key: &'static str, default: &'static str) -> NotYet {
    NotYet { key, default }
}

/// Keys of the `agent` block whose feature comes later, with the value that asks for nothing.
pub const NOT_YET: &[NotYet] = &[
    key("authorized_delegates", ""),
    key("availability_target", ""),
    key("log_selectors", ""),
    key("profiling_enabled", "false"),
    key("rebootstrap_mode", "never"),
    key("trust_bundle_spiffe_workload_api", ""),
    key("trust_bundle_unix_socket", ""),
    key("trust_bundle_url", ""),
    key("experimental.admin_named_pipe_name", ""),
    key("experimental.broker", ""),
    key("experimental.feature_flags", ""),
    key("experimental.jwt_svid_cache_hit_timeout", "30s"),
    key("experimental.named_pipe_name", ""),
    key("experimental.ratelimit", ""),
    key("experimental.require_pq_kem", "false"),
];

const AGENT: &[&str] = &[
    "admin_socket_path",
    "allow_unauthenticated_verifiers",
    "allowed_foreign_jwt_claims",
    "authorized_delegates",
    "availability_target",
    "data_dir",
    "disable_sds_api",
    "disable_workload_api",
    "experimental",
    "insecure_bootstrap",
    "join_token",
    "join_token_file",
    "jwt_svid_cache_max_size",
    "log_file",
    "log_format",
    "log_level",
    "log_selectors",
    "log_source_location",
    "profiling_enabled",
    "profiling_freq",
    "profiling_names",
    "profiling_port",
    "rebootstrap_delay",
    "rebootstrap_mode",
    "sds",
    "server_address",
    "server_port",
    "socket_path",
    "trust_bundle_format",
    "trust_bundle_path",
    "trust_bundle_spiffe_workload_api",
    "trust_bundle_unix_socket",
    "trust_bundle_url",
    "trust_domain",
    "workload_x509_svid_key_type",
    "x509_svid_cache_max_size",
];

const ROOT: &[&str] = &["agent", "plugins", "telemetry", "health_checks"];
const HEALTH: &[&str] = &["listener_enabled", "bind_address", "bind_port", "live_path", "ready_path"];

/// Refuses keys that nobody knows, in the blocks in which SPIRE does.
pub(super) fn check_unknown(root: &Block<'_>, agent: &Block<'_>) -> Result<(), ConfigError> {
    let blocks = [
        ("", Some(root.clone()), ROOT),
        ("agent", Some(agent.clone()), AGENT),
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
