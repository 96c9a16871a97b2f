use std::time::Duration;

use steeple_audit::Retention;

use super::*;
use crate::core::FollowSettings;

const PLUGINS: &str = r#"plugins { KeyManager "memory" { plugin_data {} } }"#;
const NEEDED: &str = "trust_domain = \"t.example\"\ndata_dir = \"d\"\n";

/// What a whole file says.
fn read(text: &str) -> Result<ServerConfig, ConfigError> {
    read_with(text, None, &[])
}

fn read_with(
    text: &str,
    env: Option<&LookUp<'_>>,
    flags: &[(&'static str, &str)],
) -> Result<ServerConfig, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.conf");
    std::fs::write(&path, text).unwrap();
    let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    load(&path.to_string_lossy(), env, &flags)
}

/// What a file says in whose `server` block stand `lines`, besides what is needed.
fn server(lines: &str) -> Result<ServerConfig, ConfigError> {
    read(&format!("server {{\n{NEEDED}{lines}\n}}\n{PLUGINS}"))
}

fn refused(lines: &str) -> String {
    server(lines).unwrap_err().to_string()
}

#[test]
fn experimental_features_are_warned_of_once_something_is_set() {
    for (lines, is_told) in [
        ("", false),
        ("experimental { event_timeout = \"\" events_based_cache = false }", false),
        ("experimental { prune_events_older_than = \"5h\" }", true),
    ] {
        let warnings = server(lines).unwrap().warnings;
        assert_eq!(warnings.iter().any(|warning| warning == steeple_config::EXPERIMENTAL), is_told, "{lines}");
    }
}

#[test]
fn what_is_not_set_is_as_in_spire() {
    let config = server("").unwrap();
    let settings = config.settings;
    assert_eq!(settings.bind_address.to_string(), "0.0.0.0:8081");
    assert_eq!(settings.socket_path, PathBuf::from("/tmp/spire-server/private/api.sock"));
    assert_eq!((settings.ca_ttl, settings.agent_ttl), (Duration::from_hours(24), Duration::from_hours(1)));
    assert_eq!(settings.default_x509_svid_ttl, Duration::from_hours(1));
    assert_eq!(settings.default_jwt_svid_ttl, Duration::from_mins(5));
    assert_eq!((settings.ca_key_type, settings.jwt_key_type), (KeyType::EcP256, KeyType::EcP256));
    assert!(settings.jwt_enabled && settings.rate_limits.attestation && settings.rate_limits.signing);
    assert!(!settings.audit_log_enabled && !settings.agent_spiffe_id_as_selector);
    assert_eq!((settings.jwt_issuer, settings.prune_nodes, settings.health), (None, None, None));
    assert_eq!(settings.prune_events_older_than, Duration::from_hours(12));
    assert!(settings.trusted_proxies.is_empty() && settings.key_exchange == KeyExchange::Any);
    assert!(settings.admin_ids.is_empty() && settings.prometheus.is_none() && config.warnings.is_empty());
    let log = LogSettings { level: "INFO".into(), format: "text".into(), file: None, source_location: false };
    assert_eq!(config.log, log);
}

#[test]
fn every_key_of_the_server_block_is_read() {
    let config = server(
        r#"
        bind_address = "[::1]" bind_port = "0x1F91" socket_path = "/s" log_level = "debug" log_format = "json"
        log_file = "/l" log_source_location = true ca_ttl = "48h" ca_key_type = "RSA-2048" jwt_key_type = "ec-p384"
        ca_subject { country = ["DE"] organization = ["o"] common_name = "c" }
        default_x509_svid_ttl = "2h" default_jwt_svid_ttl = "3m" agent_ttl = "4h" jwt_issuer = "i"
        disable_jwt_svids = true audit_log_enabled = true admin_ids = ["spiffe://o.example/a"]
        ratelimit { attestation = false signing = false }
        prune_attested_nodes_expired_for = "1h" prune_attested_nodes_batch_size = 7 prune_tofu_nodes = true
        proxy_protocol_trusted_cidrs = ["10.0.0.0/8", "::1/128"]
        experimental { agent_spiffe_id_as_selector = true require_pq_kem = true prune_events_older_than = "5h" }"#,
    );
    let config = config.unwrap();
    let settings = config.settings;
    assert_eq!(settings.bind_address.to_string(), "[::1]:8081");
    assert_eq!(settings.socket_path, PathBuf::from("/s"));
    let log =
        LogSettings { level: "debug".into(), format: "json".into(), file: Some("/l".into()), source_location: true };
    assert_eq!(config.log, log);
    assert_eq!((settings.ca_ttl, settings.agent_ttl), (Duration::from_hours(48), Duration::from_hours(4)));
    assert_eq!((settings.ca_key_type, settings.jwt_key_type), (KeyType::Rsa2048, KeyType::EcP384));
    assert_eq!(settings.ca_subject.0.to_string(), "CN=c,O=o,C=DE");
    assert_eq!(settings.default_x509_svid_ttl, Duration::from_hours(2));
    assert_eq!(settings.default_jwt_svid_ttl, Duration::from_mins(3));
    assert_eq!(settings.jwt_issuer.as_deref(), Some("i"));
    assert!(!settings.jwt_enabled && settings.audit_log_enabled && settings.agent_spiffe_id_as_selector);
    assert_eq!(settings.admin_ids[0].to_string(), "spiffe://o.example/a");
    assert!(!settings.rate_limits.attestation && !settings.rate_limits.signing);
    assert_eq!(settings.trusted_proxies.to_string(), "[10.0.0.0/8 ::1/128]");
    assert_eq!(settings.key_exchange, KeyExchange::PostQuantum);
    let expired_for = Duration::from_hours(1);
    let prune = PruneNodesSettings { expired_for, batch_size: 7, include_non_reattestable: true };
    assert_eq!(settings.prune_nodes, Some(prune));
    assert_eq!(settings.prune_events_older_than, Duration::from_hours(5));
}

#[test]
fn health_and_prometheus_are_read() {
    let text = format!(
        "server {{ {NEEDED} }} {PLUGINS}
         health_checks {{ listener_enabled = true bind_address = \"127.0.0.1\" bind_port = \"8080\" live_path = \"/l\" ready_path = \"/r\" }}
         telemetry {{ prometheus {{ host = \"127.0.0.1\" port = 9988 }} }}"
    );
    let settings = read(&text).unwrap().settings;
    let health = settings.health.unwrap();
    assert_eq!((health.address.to_string().as_str(), health.live_path.as_str()), ("127.0.0.1:8080", "/l"));
    assert_eq!(health.ready_path, "/r");
    assert_eq!(settings.prometheus.unwrap().address.to_string(), "127.0.0.1:9988");
}

#[test]
fn audit_trail_is_read_from_a_block_of_its_own() {
    let file = |audit: &str| read(&format!("server {{ {NEEDED} }} {PLUGINS} {audit}"));
    assert_eq!(file("").unwrap().audit, None);
    let settings = file(r#"audit { directory = "/trail" }"#).unwrap().audit.unwrap();
    let wanted = TrailSettings {
        directory: PathBuf::from("/trail"),
        key_path: PathBuf::from("d/audit_key.pem"),
        trust_domain: "t.example".to_owned(),
        authority: "spiffe://t.example/spire/server".to_owned(),
        max_segment_size: 64 << 20,
        max_segment_age: Duration::from_hours(24),
        checkpoint_records: 1_024,
        checkpoint_interval: Duration::from_mins(1),
    };
    assert_eq!(settings, wanted);
    let all = r#"audit { directory = "/trail" key_path = "/key" max_segment_size = 5 max_segment_age = "2h"
        checkpoint_records = 6 checkpoint_interval = "7s" }"#;
    let settings = file(all).unwrap().audit.unwrap();
    assert_eq!((settings.key_path, settings.max_segment_size), (PathBuf::from("/key"), 5));
    assert_eq!((settings.max_segment_age, settings.checkpoint_records), (Duration::from_hours(2), 6));
    assert_eq!(settings.checkpoint_interval, Duration::from_secs(7));
    let keep = |more: &str| file(&format!("audit {{ directory = \"/trail\" {more} }}")).unwrap().audit_keep.unwrap();
    let (directory, retention) = (PathBuf::from("/trail"), Some(Retention::days(396)));
    assert_eq!(keep(""), KeepSettings { directory, compress: false, retention });
    assert!(keep("compression = \"gzip\"").compress);
    let retention = Retention { credential: 30, ..Retention::days(400) };
    assert_eq!(keep("retention { days = 400 credential = 30 }").retention, Some(retention));
    assert_eq!(keep("retention { days = 0 }").retention, None);
    for (audit, said) in [
        (r#"audit { directory = "/t" compression = "zip" }"#, "audit.compression \"zip\" is neither"),
        (r#"audit { directory = "/t" retention { days = -1 } }"#, "audit.retention.days must be from 0 to 36500 days"),
        (r#"audit { directory = "/t" retention { denial = 0 } }"#, "keeps one class of records for ever"),
        (r#"audit { directory = "/t" retention { weeks = 1 } }"#, "unknown configuration detected"),
        ("audit {}", "audit.directory must be configured"),
        (r#"audit { directory = "/t" checkpoint_records = 0 }"#, "audit.checkpoint_records must be greater than 0"),
        (r#"audit { directory = "/t" max_segment_age = "0s" }"#, "audit.max_segment_age must be greater than 0"),
        (r#"audit { directory = "/t" max_segment_age = "day" }"#, "could not parse audit.max_segment_age \"day\""),
        (r#"audit { directory = "/t" sinks = "x" }"#, "unknown configuration detected"),
    ] {
        let error = file(audit).unwrap_err().to_string();
        assert!(error.contains(said), "{audit}: {error}");
    }
}

#[test]
fn json_says_the_same_as_hcl() {
    let text = r#"{"Server":{"trust_domain":"t.example","data_dir":"d","bind_port":"8082","ca_subject":[{"country":["DE"]}],
        "ratelimit":[{"signing":false}]},"plugins":{"KeyManager":[{"memory":{"plugin_data":{}}}]}}"#;
    let config = read(text).unwrap();
    assert_eq!((config.settings.bind_address.port(), config.settings.rate_limits.signing), (8082, false));
    assert_eq!(config.settings.ca_subject.0.to_string(), "C=DE");
    assert_eq!((config.plugins[0].kind.as_str(), config.plugins[0].name.as_str()), ("KeyManager", "memory"));
}

#[test]
fn flags_outweigh_the_file_unless_they_say_nothing() {
    let text = format!("server {{ {NEEDED} bind_port = 1 log_source_location = true }} {PLUGINS}");
    let flags = [("bind_port", "2"), ("trust_domain", "f.example"), ("data_dir", ""), ("log_source_location", "false")];
    let config = read_with(&text, None, &flags).unwrap();
    assert_eq!(config.settings.bind_address.port(), 2);
    assert_eq!(config.settings.trust_domain.name(), "f.example");
    assert_eq!(config.data_dir, PathBuf::from("d"), "an empty flag says nothing");
    assert!(config.log.source_location, "`false` does not outweigh `true`, as in SPIRE");
    assert_eq!(read_with(&text, None, &[("bind_port", "0")]).unwrap().settings.bind_address.port(), 1);
}

#[test]
fn environment_is_expanded_only_when_asked() {
    let text = format!("server {{ data_dir = \"d\"\ntrust_domain = \"${{TD}}\" }} {PLUGINS}");
    let look_up = |name: &str| (name == "TD").then(|| "e.example".to_owned());
    assert_eq!(read_with(&text, Some(&look_up), &[]).unwrap().settings.trust_domain.name(), "e.example");
    assert!(read(&text).unwrap_err().to_string().starts_with("could not parse trust_domain \"${TD}\""));
}

#[test]
fn what_is_needed_is_asked_for() {
    for (text, said) in [
        (PLUGINS.to_owned(), "server section must be configured"),
        (format!("server {{ data_dir = \"d\" }} {PLUGINS}"), "trust_domain must be configured"),
        (format!("server {{ trust_domain = \"t.example\" }} {PLUGINS}"), "data_dir must be configured"),
        (format!("server {{ {NEEDED} }}"), "plugins section must be configured"),
    ] {
        assert_eq!(read(&text).unwrap_err().to_string(), said);
    }
    assert!(
        load("/nonexistent", None, &Flags::new()).unwrap_err().to_string().starts_with("could not find config file")
    );
}

#[test]
fn bad_values_are_refused_with_the_texts_of_spire() {
    for (lines, said) in [
        ("ca_ttl = \"1x\"", "could not parse default CA ttl \"1x\": time: unknown unit \"x\" in duration \"1x\""),
        ("agent_ttl = \"x\"", "could not parse agent ttl \"x\": time: invalid duration \"x\""),
        (
            "default_x509_svid_ttl = \"1\"",
            "could not parse default X509 SVID ttl \"1\": time: missing unit in duration \"1\"",
        ),
        ("default_jwt_svid_ttl = \"x\"", "could not parse default JWT SVID ttl \"x\": time: invalid duration \"x\""),
        (
            "jwt_key_type = \"dsa\"",
            "error parsing jwt_key_type: key type \"dsa\" is unknown; must be one of [rsa-2048, rsa-4096, ec-p256, ec-p384]",
        ),
        (
            "proxy_protocol_trusted_cidrs = [\"10.0.0.0/8\", \"10.0.0.0\"]",
            "invalid proxy_protocol_trusted_cidrs value \"10.0.0.0\": invalid CIDR address: 10.0.0.0",
        ),
        ("admin_ids = [\"bad\"]", "could not parse admin ID \"bad\": scheme is missing or invalid"),
        (
            "max_attested_node_info_staleness = \"x\"",
            "could not parse max attested node staleness \"x\": time: invalid duration \"x\"",
        ),
        (
            "prune_attested_nodes_expired_for = \"x\"",
            "could not parse prune_attested_nodes_expired_for: time: invalid duration \"x\"",
        ),
        (
            "experimental { cache_reload_interval = \"x\" }",
            "could not parse cache reload interval: time: invalid duration \"x\"",
        ),
        (
            "experimental { full_cache_reload_interval = \"x\" }",
            "could not parse full cache reload interval: time: invalid duration \"x\"",
        ),
        (
            "experimental { event_timeout = \"x\" }",
            "could not parse event timeout interval: time: invalid duration \"x\"",
        ),
        (
            "experimental { prune_events_older_than = \"x\" }",
            "could not parse prune events interval: time: invalid duration \"x\"",
        ),
        (
            "experimental { event_timeout = \"1m\" sql_transaction_timeout = \"1m\" }",
            "both experimental sql_transaction_timeout and event_timeout set, only set event_timeout",
        ),
        ("bind_port = 70000", "bind_port 70000 is not a port"),
        (
            "prune_attested_nodes_expired_for = \"1h\" prune_attested_nodes_batch_size = 0",
            "prune_attested_nodes_batch_size must be greater than 0, not 0",
        ),
        ("nosuch = 1", "unknown configuration detected"),
        ("ca_subject { nosuch = 1 }", "unknown configuration detected"),
        ("ratelimit { nosuch = 1 }", "unknown configuration detected"),
        ("federation { bundle_endpoint { nosuch = 1 } }", "unknown configuration detected"),
        (
            "federation { bundle_endpoint { acme { domain_name = \"d\" email = \"e\" nosuch = 1 } } }",
            "unknown configuration detected",
        ),
    ] {
        assert_eq!(refused(lines), said, "{lines}");
    }
    assert!(server("experimental { nosuch = 1 }").is_ok(), "SPIRE does not look for unknown keys there");
}

#[test]
fn wrong_types_are_refused_with_file_and_place() {
    let said = refused("audit_log_enabled = \"true\"");
    assert!(
        said.ends_with("server.conf\": At 4:21: root.server.audit_log_enabled: unknown type *ast.LiteralType"),
        "{said}"
    );
    assert!(said.starts_with("unable to decode configuration at \""), "{said}");
}

#[test]
fn keys_whose_feature_comes_later_are_refused_unless_at_their_default() {
    for known in NOT_YET {
        let (outer, inner) = known.key.split_once('.').map_or(("", known.key), |(outer, inner)| (outer, inner));
        let within = |line: String| if outer.is_empty() { line } else { format!("{outer} {{ {line} }}") };
        let said = refused(&within(format!("{inner} {{ x = 1 }}")));
        assert!(said.starts_with(&format!("server.{} is ", known.key)), "{said}");
        if !matches!(known.default, "" | "{}") {
            assert!(server(&within(format!("{inner} = {}", known.default))).is_ok(), "{}", known.key);
        }
    }
    for known in TELEMETRY_NOT_YET.iter().filter(|known| !known.key.contains('.')) {
        let text = format!("server {{ {NEEDED} }} {PLUGINS} telemetry {{ {} {{}} }}", known.key);
        let said = read(&text).unwrap_err().to_string();
        assert!(said.starts_with(&format!("telemetry.{} is not available yet", known.key)), "{said}");
    }
}

#[test]
fn following_of_other_servers_is_read() {
    let following = |lines: &str| server(&format!("experimental {{ {lines} }}")).unwrap().settings.following;
    let minutes = Duration::from_mins;
    let default = FollowSettings { event_timeout: minutes(15), full_reload_interval: Duration::from_hours(24) };
    assert_eq!(following(""), default);
    let zero = "event_timeout = \"0\" full_cache_reload_interval = \"0s\"";
    assert_eq!(following(zero), default);
    let both = "event_timeout = \"3m\" full_cache_reload_interval = \"4m\"";
    assert_eq!(following(both), FollowSettings { event_timeout: minutes(3), full_reload_interval: minutes(4) });
    let old_name = "sql_transaction_timeout = \"2m\"";
    assert_eq!(following(old_name), FollowSettings { event_timeout: minutes(2), ..default });
}

#[test]
fn keys_without_effect_are_told() {
    let lines = r#"max_attested_node_info_staleness = "5s" ca_subject {}
        experimental { events_based_cache = true cache_reload_interval = "1s" sql_transaction_timeout = "2m" }"#;
    let warnings = server(lines).unwrap().warnings.join("\n");
    for told in [
        "experimental.sql_transaction_timeout is deprecated, use experimental.event_timeout instead",
        "max_attested_node_info_staleness has no effect",
        "experimental.cache_reload_interval has no effect",
        "experimental.events_based_cache has no effect",
        "ca_subject configurable is set but empty; the default will be used",
    ] {
        assert!(warnings.contains(told), "{told} of {warnings}");
    }
}

#[test]
fn what_agents_are_not_told_is_read() {
    let file = |explain: &str| read(&format!("server {{ {NEEDED} }} {PLUGINS} {explain}"));
    let redact = |explain: &str| file(explain).unwrap().settings.explain_redact;
    assert_eq!((redact(""), redact("explain {}")), (Redact::All, Redact::All));
    assert_eq!(redact("explain { redact = \"values\" }"), Redact::Values);
    let refused = file("explain { redact = \"some\" }").unwrap_err().to_string();
    assert!(refused.contains("explain.redact \"some\" is none of none, values and all"), "{refused}");
}
