//! What files say, and how they are refused.

use super::*;

const DOMAIN: &str = "domains = [\"domain.test\"]\n";
const SOCKET: &str = "listen_socket_path = \"/l\"\n";
const CERTIFICATE: &str = "serving_cert_file { cert_file_path = \"c\" key_file_path = \"k\" }\n";
const ACME: &str = "acme { email = \"a@domain.test\" tos_accepted = true }\n";
const SERVER: &str = "server_api { address = \"unix:///s\" }\n";
const WORKLOAD: &str = "workload_api { socket_path = \"/w\" trust_domain = \"domain.test\" }\n";
const FILE: &str = "file { path = \"/f\" }\n";

fn read(parts: &[&str]) -> Result<OidcConfig, String> {
    OidcConfig::parse(&parts.concat()).map_err(|error| error.to_string())
}

fn refused(parts: &[&str]) -> String {
    read(parts).err().unwrap_or_default()
}

#[test]
fn least_that_is_needed_has_spires_defaults() {
    let config = read(&[DOMAIN, SOCKET, SERVER]).unwrap();
    assert_eq!(config.domains, ["domain.test"]);
    assert_eq!(config.listener, ListenerConfig::Socket("/l".into()));
    let kind = SourceKind::ServerApi("unix:///s".to_owned());
    assert_eq!(config.source, SourceConfig { kind, poll_interval: Duration::from_secs(10) });
    assert_eq!((config.log.level.as_str(), config.log.format.as_str(), config.log.file), ("info", "text", None));
    assert_eq!((config.health, config.jwt_issuer, config.jwks_uri), (None, None, None));
    assert!(!(config.log_requests || config.set_key_use || config.allow_insecure_scheme));
    assert_eq!(config.server_path_prefix, "/");
    let config = read(&[DOMAIN, CERTIFICATE, SERVER]).unwrap();
    let interval = Duration::from_mins(1);
    let files = CertificateFilesConfig { certificate: "c".into(), key: "k".into(), address: ":443".into(), interval };
    assert_eq!(config.listener, ListenerConfig::CertificateFiles(files));
    let health = read(&[DOMAIN, SOCKET, SERVER, "health_checks {}"]).unwrap().health.unwrap();
    let expected = HealthConfig { bind_port: 8008, ready_path: "/ready".into(), live_path: "/live".into() };
    assert_eq!(health, expected);
}

#[test]
fn every_key_is_read() {
    let config = read(&[
        "log_level = \"debug\"\nlog_format = \"JSON\"\nlog_path = \"/log\"\nlog_requests = true\n",
        "domains = [\"b.test\", \"a.test\", \"b.test\"]\nset_key_use = true\nallow_insecure_scheme = true\n",
        "insecure_addr = \"127.0.0.1:80\"\n",
        "workload_api { socket_path = \"/w\" trust_domain = \"td\" poll_interval = \"1h\" }\n",
        "health_checks { bind_port = \"9\" ready_path = \"/r\" live_path = \"/l\" }\n",
        "jwt_issuer = \"https://i.test/a\"\njwks_uri = \"https://k.test/keys\"\nserver_path_prefix = \"/p\"\n",
    ])
    .unwrap();
    assert_eq!((config.log.level.as_str(), config.log.format.as_str()), ("debug", "JSON"));
    assert_eq!(config.log.file, Some("/log".into()));
    assert!(config.log_requests && config.set_key_use && config.allow_insecure_scheme);
    assert_eq!(config.domains, ["b.test", "a.test"], "each once, in order");
    assert_eq!(config.listener, ListenerConfig::Insecure("127.0.0.1:80".to_owned()));
    let kind = SourceKind::WorkloadApi("/w".into(), "td".to_owned());
    assert_eq!(config.source, SourceConfig { kind, poll_interval: Duration::from_hours(1) });
    let health = HealthConfig { bind_port: 9, ready_path: "/r".into(), live_path: "/l".into() };
    assert_eq!(config.health, Some(health));
    assert_eq!(config.jwt_issuer.unwrap().to_string(), "https://i.test/a");
    assert_eq!(config.jwks_uri.unwrap().to_string(), "https://k.test/keys");
    assert_eq!(config.server_path_prefix, "/p");
    let file = read(&[DOMAIN, SOCKET, "file { path = \"/f\" poll_interval = \"-1s\" }"]).unwrap().source;
    let expected = SourceConfig { kind: SourceKind::File("/f".into()), poll_interval: Duration::from_secs(10) };
    assert_eq!(file, expected, "what is not more than nothing is the default");
    let more = "addr = \"127.0.0.1:9090\" file_sync_interval = \"5m\" }";
    let certificate = CERTIFICATE.replace('}', more);
    let ListenerConfig::CertificateFiles(files) = read(&[DOMAIN, &certificate, FILE]).unwrap().listener else {
        panic!("no certificate");
    };
    assert_eq!((files.address.as_str(), files.interval), ("127.0.0.1:9090", Duration::from_mins(5)));
}

#[test]
fn acme_is_read_with_the_defaults_of_spire() {
    let acme = |lines: &str| match read(&[DOMAIN, &ACME.replace('}', &format!("{lines} }}")), FILE]).unwrap().listener {
        ListenerConfig::Acme(acme) => acme,
        other => panic!("{other:?}"),
    };
    let expected = AcmeConfig {
        directory_url: String::new(),
        email: "a@domain.test".to_owned(),
        cache_dir: Some("./.acme-cache".into()),
        address: ":443".to_owned(),
    };
    assert_eq!(acme(""), expected);
    assert_eq!(acme("cache_dir = \"\"").cache_dir, None, "nothing is kept");
    let read = acme("directory_url = \"https://ca.test\" cache_dir = \"/c\"");
    assert_eq!((read.directory_url.as_str(), read.cache_dir), ("https://ca.test", Some("/c".into())));
}

#[test]
fn keys_that_nobody_knows_are_passed_over_as_in_spire() {
    assert!(read(&[DOMAIN, SOCKET, "nosuch = 1\nserver_api { address = \"unix:/s\" nosuch = 2 }"]).is_ok());
}

#[test]
fn refusals_are_those_of_spire() {
    const EXCLUSIVE: &str = "the server_api, workload_api, and file sections are mutually exclusive";
    for (parts, reason) in [
        (&["x = {"][..], "unable to decode configuration: "),
        (&["domains = \"d\""], "unable to decode configuration: At 1:11: unknown slice type: *ast.LiteralType"),
        (
            &["log_requests = 1"],
            "unable to decode configuration: At 1:16: root.log_requests: unknown type *ast.LiteralType",
        ),
        (&[SOCKET, SERVER], "at least one domain must be configured"),
        (&[DOMAIN, SERVER], "either acme, serving_cert_file, insecure_addr or listen_socket_path must be configured"),
        (&[DOMAIN, ACME, "insecure_addr = \":1\""], "insecure_addr and the acme section are mutually exclusive"),
        (&[DOMAIN, "acme {}"], "tos_accepted must be set to true in the acme configuration section"),
        (&[DOMAIN, "acme { tos_accepted = true }"], "email must be configured in the acme configuration section"),
        (&[DOMAIN, ACME, SOCKET], "listen_socket_path and the acme section are mutually exclusive"),
        (&[DOMAIN, ACME, CERTIFICATE], "acme and serving_cert_file are mutually exclusive"),
        (&[DOMAIN, CERTIFICATE, SOCKET], "serving_cert_file and listen_socket_path are mutually exclusive"),
        (
            &[DOMAIN, CERTIFICATE, "insecure_addr = \":1\""],
            "serving_cert_file and insecure_addr are mutually exclusive",
        ),
        (&[DOMAIN, SOCKET, "insecure_addr = \":1\""], "insecure_addr and listen_socket_path are mutually exclusive"),
        (
            &[DOMAIN, "serving_cert_file { key_file_path = \"k\" }"],
            "cert_file_path must be configured in the serving_cert_file configuration section",
        ),
        (
            &[DOMAIN, "serving_cert_file { cert_file_path = \"c\" }"],
            "key_file_path must be configured in the serving_cert_file configuration section",
        ),
        (&[DOMAIN, SOCKET], "exactly one of the server_api, workload_api, or file sections must be configured"),
        (&[DOMAIN, SOCKET, SERVER, WORKLOAD], EXCLUSIVE),
        (&[DOMAIN, SOCKET, WORKLOAD, FILE], EXCLUSIVE),
        (&[DOMAIN, SOCKET, SERVER, WORKLOAD, FILE], EXCLUSIVE),
        (&[DOMAIN, SOCKET, "server_api {}"], "address must be configured in the server_api configuration section"),
        (
            &[DOMAIN, SOCKET, "server_api { address = \"localhost:1\" }"],
            "address must use the unix name system in the server_api configuration section",
        ),
        (
            &[DOMAIN, "server_api { poll_interval = \"huh\" }"],
            "invalid poll_interval in the server_api configuration section: time: invalid duration \"huh\"",
        ),
        (
            &[DOMAIN, SOCKET, "workload_api { socket_path = \"/w\" }"],
            "trust_domain must be configured in the workload_api configuration section",
        ),
        (
            &[DOMAIN, SOCKET, "workload_api { trust_domain = \"td\" }"],
            "socket_path must be configured in the workload_api configuration section",
        ),
        (&[DOMAIN, SOCKET, SERVER, "jwt_issuer = \"d/a/\""], "the jwt_issuer url must contain a scheme"),
        (&[DOMAIN, SOCKET, SERVER, "jwt_issuer = \"https:///a\""], "the jwt_issuer url must contain a host"),
        (
            &[DOMAIN, SOCKET, SERVER, "jwt_issuer = \"http://d:port/a\""],
            "the jwt_issuer url could not be parsed: parse \"http://d:port/a\": invalid port \":port\" after host",
        ),
        (&[DOMAIN, SOCKET, SERVER, "jwks_uri = \"d\""], "the jwks_uri setting could not be parsed: %!w(<nil>)"),
    ] {
        let said = refused(parts);
        if reason.ends_with(": ") {
            assert!(said.starts_with(reason), "{parts:?}: {said}");
        } else {
            assert_eq!(said, reason, "{parts:?}");
        }
    }
}

#[test]
fn bad_address_or_interval_of_the_certificate_is_refused_in_spires_words() {
    let with = |more: &str| refused(&[DOMAIN, &CERTIFICATE.replace('}', &format!("{more} }}")), SERVER]);
    let section = "in the serving_cert_file configuration section";
    assert_eq!(with("addr = \"x\""), format!("invalid addr {section}: address x: missing port in address"));
    let said = with("file_sync_interval = \"1\"");
    assert_eq!(said, format!("invalid file_sync_interval {section}: time: missing unit in duration \"1\""));
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    let pipe = "experimental { named_pipe_name = \"p\" }";
    for (parts, key) in [
        (
            &[DOMAIN, SOCKET, SERVER, "experimental { listen_named_pipe_name = \"p\" }"][..],
            "experimental.listen_named_pipe_name",
        ),
        (&[DOMAIN, SOCKET, &SERVER.replace('}', &format!("{pipe} }}"))], "server_api.experimental.named_pipe_name"),
        (&[DOMAIN, SOCKET, &WORKLOAD.replace('}', &format!("{pipe} }}"))], "workload_api.experimental.named_pipe_name"),
    ] {
        assert_eq!(refused(parts), format!("{key} is for Windows, which steeple does not run on: remove it"));
    }
    let said = refused(&[DOMAIN, SOCKET, SERVER, "server_path_prefix = \"p\""]);
    assert_eq!(said, "server_path_prefix \"p\" must begin with a slash");
}

#[test]
fn variables_are_replaced_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.conf").display().to_string();
    assert_eq!(
        load(&path, None).unwrap_err().to_string(),
        format!("unable to load configuration: open {path}: no such file or directory")
    );
    std::fs::write(&path, [DOMAIN, SOCKET, "file { path = \"$PLACE\" }"].concat()).unwrap();
    let source = |env: Option<&LookUp<'_>>| load(&path, env).unwrap().source.kind;
    assert_eq!(source(None), SourceKind::File("$PLACE".into()));
    assert_eq!(source(Some(&|name| (name == "PLACE").then(|| "/p".to_owned()))), SourceKind::File("/p".into()));
}
