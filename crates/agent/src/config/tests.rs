use std::collections::{BTreeMap, BTreeSet};

use steeple_crypto::tls::KeyExchange;

use super::*;
use crate::settings::{Bootstrap, Rebootstrap, RebootstrapMode};

const PLUGINS: &str = r#"plugins { KeyManager "memory" { plugin_data {} } }"#;
const NEEDED: &str = "trust_domain = \"t.example\"\nserver_address = \"s\"\nserver_port = 8081\n";

const TRUST: &str = "trust_bundle_path = \"bundle.pem\"\n";

/// What a whole file says.
fn read(text: &str, flags: &[(&'static str, &str)]) -> Result<AgentConfig, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.conf");
    std::fs::write(&path, text).unwrap();
    let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    load(&path.to_string_lossy(), None, &flags, "1.16.0")
}

/// What a file says in whose `agent` block stand `lines`, besides what is needed: some source of trust, for example.
fn agent(lines: &str) -> Result<AgentConfig, ConfigError> {
    read(&format!("agent {{\n{NEEDED}{}{lines}\n}}\n{PLUGINS}", trust_beside(lines)), &[])
}

/// A source of trust, unless `lines` have one.
fn trust_beside(lines: &str) -> &'static str {
    if lines.contains("trust_bundle_") || lines.contains("insecure_bootstrap") { "" } else { TRUST }
}

fn refused(lines: &str) -> String {
    agent(lines).unwrap_err().to_string()
}

/// All that a configuration comes to. A key that is read shows in here.
fn shown(config: &AgentConfig) -> String {
    format!("{config:?}")
}

/// Keys of SPIRE's `agent` block with a value that is not its default: each must change what the configuration comes to.
const READ: &[(&str, &str)] = &[
    ("admin_socket_path", "\"/a\""),
    ("allow_unauthenticated_verifiers", "true"),
    ("allowed_foreign_jwt_claims", "[\"iat\"]"),
    ("availability_target", "\"24h\""),
    ("data_dir", "\"d\""),
    ("disable_sds_api", "true"),
    ("disable_workload_api", "true"),
    ("experimental.jwt_svid_cache_hit_timeout", "\"5s\""),
    ("experimental.require_pq_kem", "true"),
    ("experimental.sync_interval", "\"7s\""),
    ("experimental.use_sync_authorized_entries", "false"),
    ("insecure_bootstrap", "true"),
    ("join_token", "\"t\""),
    ("jwt_svid_cache_max_size", "7"),
    ("log_file", "\"l\""),
    ("log_format", "\"json\""),
    ("log_level", "\"debug\""),
    ("log_selectors", "[\"unix:uid\"]"),
    ("log_source_location", "true"),
    ("sds.default_svid_name", "\"n\""),
    ("sds.default_bundle_name", "\"n\""),
    ("sds.default_all_bundles_name", "\"n\""),
    ("sds.disable_spiffe_cert_validation", "true"),
    ("rebootstrap_delay", "\"3m\""),
    ("server_address", "\"other\""),
    ("server_port", "\"0x1F92\""),
    ("socket_path", "\"/s\""),
    ("trust_bundle_path", "\"b\""),
    ("trust_bundle_spiffe_workload_api", "\"unix:///s\""),
    ("trust_bundle_url", "\"https://b\""),
    ("trust_domain", "\"other.example\""),
    ("workload_x509_svid_key_type", "\"ec-p384\""),
    ("x509_svid_cache_max_size", "7"),
];

/// Keys that count together with others or not at all; the tests below are about them.
const BESIDE: &[&str] = &["join_token_file", "rebootstrap_mode", "trust_bundle_format", "trust_bundle_unix_socket"];

fn line(key: &str, value: &str) -> String {
    match key.split_once('.') {
        Some((outer, inner)) => format!("{outer} {{ {inner} = {value} }}"),
        None => format!("{key} = {value}"),
    }
}

#[test]
fn every_key_of_the_agent_block_is_read() {
    let nothing = shown(&agent("").unwrap());
    for (key, value) in READ {
        // A key that is needed stands there already; the block may be continued, and what comes last counts.
        let needed = format!("{NEEDED}{}", trust_beside(key));
        let text = format!("agent {{\n{needed}}}\nagent {{ {} }}\n{PLUGINS}", line(key, value));
        let config = read(&text, &[]).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_ne!(shown(&config), nothing, "{key} is not read");
    }
    let outer = |key: &&str| key.split('.').next().unwrap_or_default().to_owned();
    let tried = READ.iter().map(|(key, _)| key).chain(BESIDE).chain(NOT_YET.iter().map(|known| &known.key));
    let tried: BTreeSet<String> = tried.map(outer).collect();
    assert_eq!(tried, keys::AGENT.iter().map(|key| (*key).to_owned()).collect());
}

#[test]
fn what_is_not_set_is_as_in_spire() {
    let config = agent("").unwrap();
    let settings = config.settings;
    assert_eq!(settings.socket_path, PathBuf::from("/tmp/spire-agent/public/api.sock"));
    assert_eq!((settings.data_dir, settings.admin_socket_path), (PathBuf::from("."), None));
    assert_eq!((settings.x509_svid_cache_max_size, settings.jwt_svid_cache_max_size), (1_000, 1_000));
    assert_eq!((settings.sync_interval, settings.workload_key_type), (Duration::from_secs(5), KeyType::EcP256));
    assert_eq!((settings.sds, settings.bootstrap), (SdsNames::default(), Bootstrap::PemFile("bundle.pem".into())));
    assert_eq!(settings.rebootstrap, Rebootstrap { mode: RebootstrapMode::Never, delay: Duration::from_mins(10) });
    assert_eq!((settings.availability_target, settings.jwt_svid_cache_hit_timeout), (None, Duration::from_secs(30)));
    assert_eq!((settings.key_exchange, settings.workload_limits.len()), (KeyExchange::Any, 0));
    assert!(settings.workload_api && settings.sds_api && !settings.allow_unauthenticated_verifiers);
    assert!(settings.health.is_none() && settings.prometheus.is_none() && config.warnings.is_empty());
    let log = LogSettings { level: "INFO".into(), format: "text".into(), file: None, source_location: false };
    assert_eq!((config.log, config.join_token.as_str()), (log, ""));
}

#[test]
fn bundle_comes_from_where_the_configuration_says() {
    let bootstrap = |lines: &str| agent(lines).unwrap().settings.bootstrap;
    let url = |url: &str, socket: Option<&str>, spiffe| Bootstrap::Url {
        url: url.to_owned(),
        socket: socket.map(PathBuf::from),
        spiffe,
    };
    assert_eq!(bootstrap("insecure_bootstrap = true"), Bootstrap::Insecure);
    assert_eq!(bootstrap("trust_bundle_path = \"b\""), Bootstrap::PemFile("b".into()));
    let spiffe = "trust_bundle_format = \"spiffe\"";
    assert_eq!(bootstrap(&format!("trust_bundle_path = \"b\"\n{spiffe}")), Bootstrap::SpiffeFile("b".into()));
    assert_eq!(bootstrap("trust_bundle_url = \"https://b/c\""), url("https://b/c", None, false));
    assert_eq!(bootstrap(&format!("trust_bundle_url = \"https://b\"\n{spiffe}")), url("https://b", None, true));
    let endpoint = Bootstrap::WorkloadApi(steeple_client::WorkloadEndpoint::Unix("/s".into()));
    assert_eq!(bootstrap("trust_bundle_spiffe_workload_api = \"unix:///s\""), endpoint);
    let socket = "trust_bundle_url = \"http://b/c?d=e\"\ntrust_bundle_unix_socket = \"/s\"";
    assert_eq!(bootstrap(socket), url("http://b/c?d=e", Some("/s"), false));
}

#[test]
fn join_token_of_a_file_is_taken_without_its_white_space() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, " t\n").unwrap();
    let lines = format!("join_token_file = {:?}", path.to_string_lossy());
    assert_eq!(agent(&lines).unwrap().join_token, "t");
    std::fs::write(&path, "\n").unwrap();
    assert_eq!(refused(&lines), "join token file is empty");
    let none = folder.path().join("none").to_string_lossy().into_owned();
    let said = format!("unable to read join token file {none:?}: open {none}: no such file or directory");
    assert_eq!(refused(&format!("join_token_file = {none:?}")), said);
}

#[test]
fn what_is_said_of_bootstrapping_anew_is_read_and_needs_a_bundle_to_begin_with() {
    let path = "trust_bundle_path = \"b\"";
    let said = |lines: &str| agent(&format!("{path}\n{lines}")).unwrap().settings.rebootstrap;
    for (lines, mode) in [
        ("", RebootstrapMode::Never),
        ("rebootstrap_mode = \"\"\nrebootstrap_delay = \"\"", RebootstrapMode::Never),
        ("rebootstrap_mode = \"never\"", RebootstrapMode::Never),
        ("rebootstrap_mode = \"auto\"", RebootstrapMode::Auto),
        ("rebootstrap_mode = \"always\"", RebootstrapMode::Always),
    ] {
        assert_eq!(said(lines), Rebootstrap { mode, delay: Duration::from_mins(10) }, "{lines}");
    }
    assert_eq!(said("rebootstrap_delay = \"3m\"").delay, Duration::from_mins(3));
    for mode in ["auto", "always"] {
        let line = format!("rebootstrap_mode = {mode:?}");
        let insecure = "insecure_bootstrap option can not be used with rebootstrapping";
        assert_eq!(refused(&format!("{line}\ninsecure_bootstrap = true")), insecure, "{mode}");
        let flags = [("rebootstrap_mode", mode), ("rebootstrap_delay", "1s"), ("trust_bundle_path", "b")];
        let settings = read(&format!("agent {{ {NEEDED} }} {PLUGINS}"), &flags).unwrap().settings;
        assert_ne!(settings.rebootstrap.mode, RebootstrapMode::Never, "{mode}");
        assert_eq!(settings.rebootstrap.delay, Duration::from_secs(1));
    }
}

#[test]
fn agent_that_could_trust_nobody_is_refused() {
    let refused = read(&format!("agent {{ {NEEDED} insecure_bootstrap = false }} {PLUGINS}"), &[]).unwrap_err();
    let said = "trust_bundle_path, trust_bundle_url, or trust_bundle_spiffe_workload_api must be configured unless \
                insecure_bootstrap is set";
    assert_eq!(refused.to_string(), said);
}

#[test]
fn experimental_features_are_warned_of_once_something_is_set() {
    for (lines, is_told) in [
        ("", false),
        ("experimental { require_pq_kem = false }", false),
        ("experimental { require_pq_kem = true }", true),
    ] {
        let warnings = agent(lines).unwrap().warnings;
        assert_eq!(warnings.iter().any(|warning| warning == steeple_config::EXPERIMENTAL), is_told, "{lines}");
    }
}

#[test]
fn key_that_tells_how_to_fetch_entries_has_no_effect_and_is_told_so() {
    for value in ["true", "false"] {
        let config = agent(&format!("experimental {{ use_sync_authorized_entries = {value} }}")).unwrap();
        let told = config.warnings.last().unwrap();
        assert!(told.starts_with("experimental.use_sync_authorized_entries is deprecated"), "{told}");
    }
}

#[test]
fn limits_on_workloads_are_read_by_method() {
    let limits =
        |lines: &str| agent(&format!("experimental {{ ratelimit {{ {lines} }} }}")).unwrap().settings.workload_limits;
    assert!(limits("").is_empty() && limits("fetch_secrets = 0").is_empty());
    for (key, method) in crate::api::table::limits() {
        assert_eq!(limits(&format!("{key} = 7")), BTreeMap::from([(method, 7)]));
    }
}

#[test]
fn health_and_prometheus_are_read() {
    let text = format!(
        "agent {{ {NEEDED}{TRUST} }} {PLUGINS}
         health_checks {{ listener_enabled = true bind_address = \"127.0.0.1\" bind_port = \"8080\" live_path = \"/l\" ready_path = \"/r\" }}
         telemetry {{ Prometheus {{ host = \"127.0.0.1\" port = 9988 }} }}"
    );
    let settings = read(&text, &[]).unwrap().settings;
    let health = settings.health.unwrap();
    assert_eq!((health.address.to_string().as_str(), health.live_path.as_str()), ("127.0.0.1:8080", "/l"));
    assert_eq!(health.ready_path, "/r");
    assert_eq!(settings.prometheus.unwrap().address.to_string(), "127.0.0.1:9988");
}

#[test]
fn json_says_the_same_as_hcl() {
    let text = r#"{"agent":{"trust_domain":"t.example","server_address":"s","server_port":"8081",
        "trust_bundle_path":"bundle.pem","sds":[{"default_svid_name":"n"}],"experimental":[{"sync_interval":"7s"}]},
        "plugins":{"KeyManager":[{"memory":{"plugin_data":{}}}]}}"#;
    let hcl = agent("sds { default_svid_name = \"n\" }\nexperimental { sync_interval = \"7s\" }").unwrap();
    assert_eq!(format!("{:?}", read(text, &[]).unwrap().settings), format!("{:?}", hcl.settings));
}

#[test]
fn flags_outweigh_the_file_unless_they_say_nothing() {
    let text = format!("agent {{ {NEEDED} insecure_bootstrap = true data_dir = \"d\" }} {PLUGINS}");
    let flags =
        [("server_port", "2"), ("trust_domain", "f.example"), ("data_dir", ""), ("insecure_bootstrap", "false")];
    let settings = read(&text, &flags).unwrap().settings;
    assert_eq!((settings.server_port, settings.trust_domain.name()), (2, "f.example"));
    assert_eq!(settings.data_dir, PathBuf::from("d"), "an empty flag says nothing");
    assert_eq!(settings.bootstrap, Bootstrap::Insecure, "`false` does not outweigh `true`, as in SPIRE");
    assert_eq!(read(&text, &[("server_port", "0")]).unwrap().settings.server_port, 8081);
}

#[test]
fn what_is_needed_is_asked_for() {
    for (text, said) in [
        (PLUGINS.to_owned(), "agent section must be configured"),
        (format!("agent {{}} {PLUGINS}"), "server_address must be configured"),
        (format!("agent {{ server_address = \"s\" }} {PLUGINS}"), "server_port must be configured"),
        (format!("agent {{ server_address = \"s\" server_port = 1 }} {PLUGINS}"), "trust_domain must be configured"),
        (format!("agent {{ {NEEDED}{TRUST} }}"), "plugins section must be configured"),
    ] {
        assert_eq!(read(&text, &[]).unwrap_err().to_string(), said);
    }
}

#[test]
fn bad_values_are_refused_with_the_texts_of_spire() {
    let two = |one: &str, other: &str| format!("only one of {one} or {other} can be specified, not both");
    let (path, url) = ("trust_bundle_path = \"b\"", "trust_bundle_url = \"https://b\"");
    let (insecure, api) = ("insecure_bootstrap = true", "trust_bundle_spiffe_workload_api = \"unix:///s\"");
    for (lines, said) in [
        (format!("{path}\n{url}"), two("trust_bundle_url", "trust_bundle_path")),
        (format!("{insecure}\n{url}"), two("insecure_bootstrap", "trust_bundle_url")),
        (format!("{insecure}\n{path}"), two("insecure_bootstrap", "trust_bundle_path")),
        (
            format!("{insecure}\n{path}\n{url}"),
            "only one of insecure_bootstrap, trust_bundle_url, or trust_bundle_path can be specified, not the three options"
                .to_owned(),
        ),
        (format!("{api}\n{insecure}"), two("insecure_bootstrap", "trust_bundle_spiffe_workload_api")),
        (format!("{api}\n{url}"), two("trust_bundle_url", "trust_bundle_spiffe_workload_api")),
        (format!("{api}\n{path}"), two("trust_bundle_path", "trust_bundle_spiffe_workload_api")),
        (
            format!("{api}\ntrust_bundle_unix_socket = \"/s\""),
            "trust_bundle_unix_socket can not be used with trust_bundle_spiffe_workload_api".to_owned(),
        ),
        (
            "trust_bundle_spiffe_workload_api = \"/s\"".to_owned(),
            "trust_bundle_spiffe_workload_api is not a valid SPIFFE Workload API endpoint address: workload endpoint socket URI \
             must have a \"tcp\" or \"unix\" scheme"
                .to_owned(),
        ),
        ("join_token = \"a\"\njoin_token_file = \"b\"".to_owned(), two("join_token", "join_token_file")),
    ] {
        assert_eq!(refused(&lines), said, "{lines}");
    }
    for (lines, said) in [
        ("trust_bundle_url = \"http://b\"", "trust bundle URL must start with https://"),
        (
            "insecure_bootstrap = true\ntrust_bundle_unix_socket = \"/s\"",
            "if trust_bundle_unix_socket is specified, so must be trust_bundle_url",
        ),
        (
            "trust_bundle_url = \"https://b\"\ntrust_bundle_unix_socket = \"/s\"",
            "trust bundle URL must start with http:// when used with trust bundle unix socket",
        ),
        (
            "trust_bundle_url = \"http://b?a=b&spire-a=b\"\ntrust_bundle_unix_socket = \"/s\"",
            "trust_bundle_url query params can not start with spire-",
        ),
        (
            "trust_bundle_url = \"http://b?spiffe-a=b\"\ntrust_bundle_unix_socket = \"/s\"",
            "trust_bundle_url query params can not start with spiffe-",
        ),
        (
            "insecure_bootstrap = true\ntrust_bundle_format = \"x\"",
            "invalid value for trust_bundle_format, expected \"pem\" or \"spiffe\"",
        ),
        ("rebootstrap_mode = \"x\"", "unknown rebootstrap mode specified: x"),
        ("rebootstrap_delay = \"x\"", "error parsing rebootstrap delay duration: time: invalid duration \"x\""),
        (
            "experimental { sync_interval = \"x\" }",
            "could not parse synchronization interval: time: invalid duration \"x\"",
        ),
        ("availability_target = \"x\"", "unable to parse availability_target: time: invalid duration \"x\""),
        ("availability_target = \"23h59m\"", "availability_target must be at least 24h0m0s"),
        (
            "experimental { jwt_svid_cache_hit_timeout = \"x\" }",
            "could not parse jwt_svid_cache_hit_timeout: time: invalid duration \"x\"",
        ),
        (
            "experimental { jwt_svid_cache_hit_timeout = \"4.5s\" }",
            "jwt_svid_cache_hit_timeout (4.5s) must be greater than 5s",
        ),
        (
            "experimental { jwt_svid_cache_hit_timeout = \"30s\" }",
            "jwt_svid_cache_hit_timeout (30s) must be less than 30s",
        ),
        (
            "experimental { ratelimit { fetch_jwt_svid = -1 } }",
            "experimental.ratelimit.fetch_jwt_svid must not be negative",
        ),
        ("experimental { ratelimit { nosuch = 1 } }", "unknown configuration detected"),
        ("x509_svid_cache_max_size = -1", "x509_svid_cache_max_size should not be negative"),
        ("jwt_svid_cache_max_size = -1", "jwt_svid_cache_max_size should not be negative"),
        (
            "workload_x509_svid_key_type = \"rsa-4096\"",
            "key type \"rsa-4096\" is unknown; must be one of [rsa-2048, ec-p256, ec-p384]",
        ),
        (
            "socket_path = \"/s/a\"\nadmin_socket_path = \"/s/b/c\"",
            "admin socket cannot be in the same directory or a subdirectory as that containing the Workload API socket",
        ),
        ("nosuch = 1", "unknown configuration detected"),
    ] {
        assert_eq!(refused(lines), said, "{lines}");
    }
    for lines in ["sds { nosuch = 1 }", "experimental { nosuch = 1 }"] {
        assert!(agent(lines).is_ok(), "SPIRE does not look for unknown keys there");
    }
}

#[test]
fn wrong_types_are_refused_with_file_and_place() {
    let said = refused("insecure_bootstrap = \"true\"");
    assert!(said.starts_with("unable to decode configuration at \""), "{said}");
    assert!(
        said.ends_with("agent.conf\": At 5:22: root.agent.insecure_bootstrap: unknown type *ast.LiteralType"),
        "{said}"
    );
}

#[test]
fn keys_whose_feature_comes_later_are_refused_unless_at_their_default() {
    for known in NOT_YET {
        let (outer, inner) = known.key.split_once('.').map_or(("", known.key), |(outer, inner)| (outer, inner));
        let within = |line: String| if outer.is_empty() { line } else { format!("{outer} {{ {line} }}") };
        let said = refused(&within(format!("{inner} {{ x = 1 }}")));
        assert!(said.starts_with(&format!("agent.{} is ", known.key)), "{said}");
        if !matches!(known.default, "" | "{}") {
            assert!(agent(&within(format!("{inner} = {:?}", known.default))).is_ok(), "{}", known.key);
        }
    }
    for known in TELEMETRY_NOT_YET.iter().filter(|known| !known.key.contains('.')) {
        let text = format!("agent {{ {NEEDED} }} {PLUGINS} telemetry {{ {} {{}} }}", known.key);
        let said = read(&text, &[]).unwrap_err().to_string();
        assert!(said.starts_with(&format!("telemetry.{} is not available yet", known.key)), "{said}");
    }
}

#[test]
fn sockets_of_pods_are_read_from_a_block_of_their_own() {
    let with = |block: &str| read(&format!("agent {{\n{NEEDED}insecure_bootstrap = true\n}}\n{PLUGINS}\n{block}"), &[]);
    let folder = |block: &str| with(block).unwrap().settings.pod_sockets.map(|folder| folder.display().to_string());
    assert_eq!(folder(""), None);
    assert_eq!(folder("pod_sockets {}").unwrap(), "/run/steeple/pod-sockets");
    assert_eq!(folder("pod_sockets { directory = \"/p\" }").unwrap(), "/p");
    for (wrong, text) in [
        ("pod_sockets { directory = \"p\" }".to_owned(), "absolute path"),
        (format!("pod_sockets {{ directory = \"/{}\" }}", "p".repeat(60)), "at most 53 bytes"),
        ("pod_sockets { folder = \"/p\" }".to_owned(), "unknown configuration"),
    ] {
        let refused = with(&wrong).unwrap_err().to_string();
        assert!(refused.contains(text), "{refused}");
    }
}

#[test]
fn what_operators_are_not_told_is_read() {
    let with = |block: &str| read(&format!("agent {{\n{NEEDED}insecure_bootstrap = true\n}}\n{PLUGINS}\n{block}"), &[]);
    let redact = |block: &str| with(block).unwrap().settings.explain_redact;
    assert_eq!((redact(""), redact("explain {}")), (Redact::Values, Redact::Values));
    assert_eq!(redact("explain { redact = \"none\" }"), Redact::None);
    let refused = with("explain { redact = \"some\" }").unwrap_err().to_string();
    assert!(refused.contains("explain.redact \"some\" is none of none, values and all"), "{refused}");
    assert!(with("explain { hide = \"all\" }").unwrap_err().to_string().contains("unknown configuration"));
}
