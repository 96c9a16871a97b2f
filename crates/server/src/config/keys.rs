//! Which keys there are, and which can't be acted on yet.

use steeple_config::{Block, ConfigError, NotYet, WINDOWS, refuse_unknown};

const fn key(key: &'static str, default: &'static str, feature: &'static str) -> NotYet {
    NotYet { key, default, feature }
}

const PROFILING: &str = "profiling";
const WIT: &str = "WIT-SVIDs";

/// Keys of the `server` block whose feature comes later, with the value that asks for nothing.
pub const NOT_YET: &[NotYet] = &[
    key("profiling_enabled", "false", PROFILING),
    key("profiling_port", "0", PROFILING),
    key("profiling_freq", "0", PROFILING),
    key("profiling_names", "", PROFILING),
    key("experimental.auth_opa_policy_engine", "", "policies in Rego"),
    key("experimental.feature_flags", "", WIT),
    key("experimental.wit_issuer", "", WIT),
    key("experimental.wit_key_type", "", WIT),
    key("experimental.named_pipe_name", "", WINDOWS),
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

const ROOT: &[&str] = &["server", "plugins", "telemetry", "health_checks", "access", "audit", "explain"];
const CA_SUBJECT: &[&str] = &["country", "organization", "common_name"];
const BUNDLE_ENDPOINT: &[&str] = &["address", "port", "refresh_hint", "acme", "profile"];
const ACME: &[&str] = &["directory_url", "domain_name", "email", "tos_accepted"];
const RATELIMIT: &[&str] = &["attestation", "signing"];

/// Refuses keys that nobody knows, in the blocks in which SPIRE does.
pub(super) fn check_unknown<'a>(root: &Block<'a>, server: &Block<'a>) -> Result<(), ConfigError> {
    let endpoint = server.block("federation")?.unwrap_or_default().block("bundle_endpoint")?;
    let acme = endpoint.clone().unwrap_or_default().block("acme")?;
    refuse_unknown(
        root,
        [
            ("top-level", Some(root.clone()), ROOT),
            ("server", Some(server.clone()), SERVER),
            ("ca_subject", server.block("ca_subject")?, CA_SUBJECT),
            ("ratelimit", server.block("ratelimit")?, RATELIMIT),
            ("bundle endpoint", endpoint, BUNDLE_ENDPOINT),
            ("bundle endpoint ACME", acme, ACME),
            ("access", root.block("access")?, super::access::KEYS),
            ("audit", root.block("audit")?, super::audit::KEYS),
            ("explain", root.block("explain")?, &["redact"]),
            ("audit retention", root.block("audit")?.unwrap_or_default().block("retention")?, super::audit::RETENTION),
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
