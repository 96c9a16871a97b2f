//! Which keys there are, and which can't be acted on yet.

use steeple_config::{Block, ConfigError, NotYet, WINDOWS, refuse_unknown, telemetry_not_yet};

const fn key(key: &'static str, default: &'static str, feature: &'static str) -> NotYet {
    NotYet { key, default, feature }
}

const PROFILING: &str = "profiling";
const WIT: &str = "WIT-SVIDs";

/// Keys of the `server` block whose feature comes later, with the value that asks for nothing.
pub const NOT_YET: &[NotYet] = &[
    key("federation", "{}", "federation"),
    key("profiling_enabled", "false", PROFILING),
    key("profiling_port", "0", PROFILING),
    key("profiling_freq", "0", PROFILING),
    key("profiling_names", "", PROFILING),
    key("proxy_protocol_trusted_cidrs", "", "the PROXY protocol"),
    key("experimental.auth_opa_policy_engine", "", "policies in Rego"),
    key("experimental.feature_flags", "", WIT),
    key("experimental.require_pq_kem", "false", "post-quantum key exchange by force"),
    key("experimental.wit_issuer", "", WIT),
    key("experimental.wit_key_type", "", WIT),
    key("experimental.named_pipe_name", "", WINDOWS),
];

/// Keys of the `telemetry` block whose feature comes later.
pub const TELEMETRY_NOT_YET: &[NotYet] = &telemetry_not_yet("spire_server");

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

/// Refuses keys that nobody knows, in the blocks in which SPIRE does.
pub(super) fn check_unknown<'a>(root: &Block<'a>, server: &Block<'a>) -> Result<(), ConfigError> {
    refuse_unknown(
        root,
        [
            ("top-level", Some(root.clone()), ROOT),
            ("server", Some(server.clone()), SERVER),
            ("ca_subject", server.block("ca_subject"), CA_SUBJECT),
            ("ratelimit", server.block("ratelimit"), RATELIMIT),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_tells_every_key() {
        let page = include_str!("../../../../docs/reference/configuration.md");
        for key in SERVER {
            let told = page.contains(&format!("| `server.{key}` |"))
                || page.contains(&format!("| `server.{key}."))
                || page.contains(&format!("`{key}`"));
            assert!(told, "docs/reference/configuration.md does not tell server.{key}");
        }
    }
}
