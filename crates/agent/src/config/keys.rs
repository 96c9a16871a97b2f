//! Which keys there are, and which can't be acted on yet.

use steeple_config::{Block, ConfigError, Known, NotYet, WINDOWS, refuse_unknown};

use crate::api::table;

const fn key(key: &'static str, default: &'static str, feature: &'static str) -> NotYet {
    NotYet { key, default, feature }
}

const PROFILING: &str = "profiling";

/// Keys of the `agent` block whose feature comes later, with the value that asks for nothing.
pub const NOT_YET: &[NotYet] = &[
    key("authorized_delegates", "", "the Delegated Identity API"),
    key("profiling_enabled", "false", PROFILING),
    key("profiling_port", "0", PROFILING),
    key("profiling_freq", "0", PROFILING),
    key("profiling_names", "", PROFILING),
    key("experimental.broker", "", "the Broker API"),
    key("experimental.feature_flags", "", "WIT-SVIDs"),
    key("experimental.admin_named_pipe_name", "", WINDOWS),
    key("experimental.named_pipe_name", "", WINDOWS),
];

pub(super) const AGENT: &[&str] = &[
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

const ROOT: &[&str] = &["agent", "plugins", "telemetry", "health_checks", "pod_sockets", "explain"];
const POD_SOCKETS: &[&str] = &["directory"];

/// Refuses keys that nobody knows, in the blocks in which SPIRE does.
pub(super) fn check_unknown<'a>(root: &Block<'a>, agent: &Block<'a>) -> Result<(), ConfigError> {
    let pod_sockets = root.block("pod_sockets")?;
    let limits = agent.block("experimental")?.unwrap_or_default().block("ratelimit")?;
    let limit_keys: Vec<&str> = table::limits().map(|(key, _)| key).collect();
    let blocks: [Known<'_>; 5] = [
        ("top-level", Some(root.clone()), ROOT),
        ("agent", Some(agent.clone()), AGENT),
        ("pod_sockets", pod_sockets, POD_SOCKETS),
        ("explain", root.block("explain")?, &["redact"]),
        ("ratelimit", limits, &limit_keys),
    ];
    refuse_unknown(root, blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_tells_every_key() {
        let page = include_str!("../../../../docs/reference/configuration.md");
        for key in AGENT {
            let told = page.contains(&format!("| `agent.{key}` |"))
                || page.contains(&format!("| `agent.{key}."))
                || page.contains(&format!("`{key}`"));
            assert!(told, "docs/reference/configuration.md does not tell agent.{key}");
        }
    }
}
