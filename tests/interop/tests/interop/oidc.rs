//! OIDC discovery providers of both products over the same server say the same.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use steeple_tests_interop::command::outcome;
use steeple_tests_interop::provider::{Answer, Provider, get};
use steeple_tests_interop::{GO, OURS, Product, Rig, free_port, run, with_peers};

use crate::identities::joined;

const PEERS: [&str; 2] = ["steeple", "oidc-discovery-provider"];
const PRODUCTS: [Product; 2] = [Product::Go, Product::Steeple];
const DISCOVERY: &str = "/.well-known/openid-configuration";

#[test]
fn providers_say_the_same_of_a_go_server() {
    run(GO, &PEERS, same_documents);
}

#[test]
fn providers_say_the_same_of_our_server() {
    run(OURS, &PEERS, same_documents);
}

#[test]
fn providers_refuse_configurations_in_the_same_words() {
    with_peers(&PEERS, same_refusals);
}

/// A request: method, path below the prefix, headers.
type Asked = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Requests of which the answers are compared.
const REQUESTS: &[Asked] = &[
    ("GET", DISCOVERY, &[("Host", "localhost")]),
    ("GET", DISCOVERY, &[("Host", "localhost:8443")]),
    ("GET", DISCOVERY, &[("Host", "other.test")]),
    ("GET", DISCOVERY, &[("Host", "LocalHost")]),
    ("GET", DISCOVERY, &[("Host", "a_b.test")]),
    ("GET", DISCOVERY, &[("Host", "-a.test")]),
    ("GET", DISCOVERY, &[("Host", "[::1]:80")]),
    ("GET", DISCOVERY, &[("Host", "xn--n38h.test")]),
    ("GET", DISCOVERY, &[("Host", "other.test"), ("X-Forwarded-Host", "localhost")]),
    ("GET", DISCOVERY, &[("Host", "localhost"), ("X-Forwarded-Host", "other.test:1")]),
    ("GET", DISCOVERY, &[("Host", "localhost"), ("X-Forwarded-Host", "localhost:<b&\"c")]),
    ("GET", DISCOVERY, &[("Host", "localhost"), ("X-Forwarded-Proto", "HTTPS")]),
    ("GET", DISCOVERY, &[("Host", "localhost"), ("X-Forwarded-Scheme", "http")]),
    ("GET", DISCOVERY, &[("Host", "localhost"), ("Forwarded", "for=1.2.3.4;Proto=https")]),
    ("PUT", DISCOVERY, &[("Host", "localhost")]),
    ("HEAD", DISCOVERY, &[("Host", "localhost")]),
    ("GET", "/keys", &[("Host", "localhost")]),
    ("GET", "/keys", &[("Host", "other.test")]),
    ("GET", "/keys", &[("Host", "localhost"), ("If-Modified-Since", "Mon, 02 Jan 2006 15:04:05 GMT")]),
    ("GET", "/keys", &[("Host", "localhost"), ("If-Modified-Since", "Sun, 01 Jan 2090 00:00:00 GMT")]),
    ("POST", "/keys", &[("Host", "localhost")]),
    ("GET", "/keys/", &[("Host", "localhost")]),
    ("GET", "/other", &[("Host", "localhost")]),
];

fn same_documents(rig: &Rig) -> Result<()> {
    let (server, agent) = joined(rig)?;
    let user = rustix::process::getuid().as_raw();
    server.entry("oidc", "host", &format!("unix:uid:{user}"), &[])?;
    agent.await_svid("oidc")?;
    let bundle = rig.folder().join("bundle.json");
    std::fs::write(&bundle, server.ok(&["bundle", "show", "-format", "spiffe"])?)?;
    let by_server = format!("server_api {{ address = \"unix://{}\" }}", server.socket().display());
    let socket = agent.socket().display();
    let by_agent = format!("workload_api {{ socket_path = \"{socket}\" trust_domain = \"rig.example\" }}");
    let by_file = format!("file {{ path = \"{}\" }}", bundle.display());
    let issuer = "jwt_issuer = \"https://issuer.test/a b/\"";
    let uri = "jwks_uri = \"https://keys.test/x?y=1&z=%2F\"";
    for (prefix, lines) in [
        ("", by_server.clone()),
        ("", by_agent.clone()),
        ("", by_file),
        ("", format!("allow_insecure_scheme = true\nset_key_use = true\n{by_server}")),
        ("/p/q", format!("server_path_prefix = \"/p/q/\"\n{by_agent}")),
        ("", format!("{issuer}\n{by_server}")),
        ("", format!("{issuer}\n{uri}\nlog_requests = true\n{by_server}")),
    ] {
        let [go, ours] = PRODUCTS.map(|product| answers(product, rig.folder(), prefix, &lines));
        for ((request, go), (_, ours)) in go?.into_iter().zip(ours?) {
            ensure!(go == ours, "{lines}\n{request}\nGo SPIRE: {go:#?}\nsteeple: {ours:#?}");
        }
    }
    let issued = Provider::start(Product::Steeple, rig.folder(), &by_server)?.await_keys("/keys")?;
    let keys: Value = serde_json::from_str(&issued.body)?;
    let shown = server.json(&["bundle", "show"])?;
    let key = shown.pointer("/jwt_authorities/0/key_id").context("no JWT authority")?;
    ensure!(keys.pointer("/keys/0/kid") == Some(key), "{keys}");
    Ok(())
}

/// What a provider answers to each request, and to probes.
fn answers(product: Product, folder: &Path, prefix: &str, lines: &str) -> Result<Vec<(String, Answer)>> {
    let health = free_port()?;
    let provider = Provider::start(product, folder, &format!("health_checks {{ bind_port = {health} }}\n{lines}"))?;
    provider.await_keys(&format!("{prefix}/keys"))?;
    let mut answers = Vec::new();
    for (method, path, headers) in REQUESTS {
        let answer = provider.ask(method, &format!("{prefix}{path}"), headers)?;
        answers.push((format!("{method} {path} {headers:?}"), compared(answer)));
    }
    for path in ["/ready", "/live", "/other"] {
        let Answer { status, body, .. } = get(health, path)?;
        answers.push((format!("health {path}"), Answer { status, headers: Vec::new(), body }));
    }
    provider.stop()?;
    Ok(answers)
}

/// What of an answer is compared: no times, and documents byte for byte.
fn compared(mut answer: Answer) -> Answer {
    let by_itself = ["date", "connection", "content-length", "last-modified", "accept-ranges"];
    // SPIRE has it since a later version than that of the peer.
    let later = "access-control-allow-origin";
    answer.headers.retain(|(name, _)| !by_itself.contains(&name.as_str()) && name != later);
    answer
}

/// Configurations that are refused, each behind a domain unless it brings its own.
const REFUSED: &[&str] = &[
    "domains = []",
    "domains = \"a\"",
    "log_requests = \"yes\"",
    "listen_socket_path = \"l\"",
    "server_api { address = \"unix:///s\" }",
    "acme {}\nserver_api { address = \"unix:///s\" }",
    "acme { tos_accepted = true }",
    "acme { tos_accepted = true email = \"a\" }\ninsecure_addr = \":1\"",
    "acme { tos_accepted = true email = \"a\" }\nlisten_socket_path = \"l\"",
    "serving_cert_file {}",
    "serving_cert_file { cert_file_path = \"c\" }",
    "serving_cert_file { cert_file_path = \"c\" key_file_path = \"k\" addr = \"x\" }",
    "serving_cert_file { cert_file_path = \"c\" key_file_path = \"k\" addr = \"[::1\" }",
    "serving_cert_file { cert_file_path = \"c\" key_file_path = \"k\" file_sync_interval = \"1\" }",
    "serving_cert_file { cert_file_path = \"c\" key_file_path = \"k\" }\ninsecure_addr = \":1\"",
    "serving_cert_file { cert_file_path = \"/nowhere\" key_file_path = \"k\" }\nfile { path = \"f\" }",
    "insecure_addr = \":1\"\nlisten_socket_path = \"l\"",
    "listen_socket_path = \"l\"\nserver_api {}",
    "listen_socket_path = \"l\"\nserver_api { address = \"tcp://a\" }",
    "listen_socket_path = \"l\"\nserver_api { address = \"unix:///s\" poll_interval = \"huh\" }",
    "listen_socket_path = \"l\"\nworkload_api { socket_path = \"w\" }",
    "listen_socket_path = \"l\"\nworkload_api { trust_domain = \"td\" }",
    "listen_socket_path = \"l\"\nworkload_api { socket_path = \"w\" trust_domain = \"Bad\" }",
    "listen_socket_path = \"l\"\nfile {}\nserver_api { address = \"unix:///s\" }",
    "listen_socket_path = \"l\"\nfile { poll_interval = \"1x\" }",
    "listen_socket_path = \"l\"\nfile {}\njwt_issuer = \"a/b\"",
    "listen_socket_path = \"l\"\nfile {}\njwt_issuer = \"a:b\"",
    "listen_socket_path = \"l\"\nfile {}\njwt_issuer = \"https:///b\"",
    "listen_socket_path = \"l\"\nfile {}\njwt_issuer = \"http://a:b/c\"",
    "listen_socket_path = \"l\"\nfile {}\njwt_issuer = \"http://a/%zz\"",
    "listen_socket_path = \"l\"\nfile {}\njwks_uri = \"a\"",
    "listen_socket_path = \"l\"\nfile {}\njwks_uri = \"http://a b/\"",
    "listen_socket_path = \"l\"\nfile {}\nlog_level = \"loud\"",
    "listen_socket_path = \"l\"\nfile {}\nlog_format = \"xml\"",
    "listen_socket_path = \"l\"\nfile {}\nlog_path = \"/nowhere/log\"",
    "insecure_addr = \"80\"\nfile {}",
    "insecure_addr = \"localhost:nosuch\"\nfile {}",
    "domains = [\"a/b\"]\nlisten_socket_path = \"l\"\nfile {}",
    "domains = [\"😬.test\"]\nlisten_socket_path = \"l\"\nfile {}",
];

fn same_refusals() -> Result<()> {
    let rig = Rig::new(OURS)?;
    let config = rig.folder().join("f.conf");
    let call = |product: Product, arguments: &[&str]| {
        let mut provider = Command::new(product.program("oidc-discovery-provider", rig.folder())?);
        outcome(provider.current_dir(rig.folder()).args(arguments))
    };
    let path = config.display().to_string();
    for lines in REFUSED {
        let domain = if lines.starts_with("domains") { "" } else { "domains = [\"a.test\"]\n" };
        std::fs::write(&config, format!("{domain}{lines}\n"))?;
        let [go, ours] = PRODUCTS.map(|product| call(product, &["-config", &path]));
        let (go, ours) = (go?, ours?);
        ensure!((go.exit, &go.stderr) == (ours.exit, &ours.stderr), "{lines}\nGo SPIRE: {go}\nsteeple: {ours}");
    }
    for arguments in [&["-config", "/nowhere/f.conf"][..], &["words", "of", "mine"], &["-nosuch"]] {
        let [go, ours] = PRODUCTS.map(|product| call(product, arguments));
        let (go, ours) = (go?, ours?);
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        ensure!(
            (go.exit, first(&go.stderr)) == (ours.exit, first(&ours.stderr)),
            "{arguments:?}\nGo SPIRE: {go}\nsteeple: {ours}"
        );
    }
    Ok(())
}
