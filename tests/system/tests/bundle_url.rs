//! An agent that fetches the bundle by which it trusts its server: over HTTPS, over a socket of the machine, and from a Workload API.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::thread;

use anyhow::{Context, Result};
use jiff::SignedDuration;
use steeple_tests_system::authority::Authority;
use steeple_tests_system::pair::Pair;
use steeple_tests_system::party::serve_https;

const AGENT: &str = "agent";

/// An answer in HTTP.
fn answer(status: &str, header: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{header}\r\n{body}", body.len())
}

/// The bundle of the pair's running server.
fn bundle(pair: &Pair, format: &str) -> Result<String> {
    Ok(pair.server("bundle show", &["-format", format])?.stdout)
}

/// Serves the bundle in either format, and bad ones, and makes the agent believe whoever serves it.
fn serve(pair: &mut Pair) -> Result<String> {
    let authority = Authority::new("web.example")?;
    let leaf = authority.leaf(&[], &["localhost"], SignedDuration::from_hours(1))?;
    let roots = pair.path("roots.pem");
    fs::write(&roots, authority.certificate_pem())?;
    pair.agent_environment = vec![("SSL_CERT_FILE", roots.display().to_string())];
    let (of_pem, of_spiffe) = (bundle(pair, "pem")?, bundle(pair, "spiffe")?);
    serve_https(&leaf, move |line| match line.split(' ').nth(1).unwrap_or_default() {
        "/pem" => answer("200 OK", "", &of_pem),
        "/spiffe" => answer("200 OK", "", &of_spiffe),
        "/moved" => answer("302 Found", "Location: /pem\r\n", ""),
        "/round" => answer("302 Found", "Location: /round\r\n", ""),
        "/in-the-clear" => answer("302 Found", "Location: http://localhost/pem\r\n", ""),
        "/empty" => answer("200 OK", "", ""),
        "/no-keys" => answer("200 OK", "", "{\"keys\":[]}"),
        _ => answer("404 Not Found", "", "no such page"),
    })
}

#[test]
fn bundle_of_a_url_is_what_the_server_is_verified_by() {
    let mut pair = Pair::new().unwrap();
    let _server = pair.start_server().unwrap();
    let port = serve(&mut pair).unwrap();
    for (name, path, format) in [("a", "pem", "pem"), ("b", "spiffe", "spiffe"), ("c", "moved", "pem")] {
        pair.agent_trust =
            format!("trust_bundle_url = \"https://localhost:{port}/{path}\"\n  trust_bundle_format = \"{format}\"");
        let token = pair.admit(name).unwrap();
        pair.start_agent(name, Some(&token)).unwrap();
    }
}

/// What the first attempt of an agent to attest is said to have failed of, with this URL and format of the bundle.
fn refusal(pair: &mut Pair, url: &str, format: &str) -> Result<String> {
    pair.agent_trust = format!("trust_bundle_url = \"{url}\"\n  trust_bundle_format = \"{format}\"");
    let mut agent = pair.launch_agent(AGENT, Some("token"))?;
    let log = agent.log_path();
    let mut line = String::new();
    agent.wait_for(|| {
        let text = fs::read_to_string(&log)?;
        let found = text.lines().find(|line| line.contains("Failed to retrieve attestation result"));
        found.unwrap_or_default().clone_into(&mut line);
        Ok(found.is_some())
    })?;
    let (_, rest) = line.split_once(" error=").context("no error")?;
    Ok(rest.split_once(" retry_interval=").unwrap_or((rest, "")).0.trim_matches('"').replace("\\\"", "\""))
}

#[test]
fn url_without_a_bundle_is_named_with_what_is_wrong() {
    let mut pair = Pair::new().unwrap();
    let _server = pair.start_server().unwrap();
    let port = serve(&mut pair).unwrap();
    let at = |path: &str| format!("https://localhost:{port}/{path}");
    let unreachable =
        |url: &str, reason: &str| format!("unable to fetch trust bundle URL {url}: Get \"{url}\": {reason}");
    for (path, format, said) in [
        ("nothing", "pem", "error downloading trust bundle: 404 Not Found".to_owned()),
        ("empty", "pem", format!("no certificates found in trust bundle {}", at("empty"))),
        ("no-keys", "spiffe", format!("no certificates found in trust bundle {}", at("no-keys"))),
        ("in-the-clear", "pem", "trust bundle URL must start with https://".to_owned()),
        ("round", "pem", unreachable(&at("round"), "stopped after 10 redirects")),
    ] {
        assert_eq!(refusal(&mut pair, &at(path), format).unwrap(), said, "{path}");
    }
    let said = refusal(&mut pair, &at("pem"), "spiffe").unwrap();
    assert!(said.starts_with("unable to parse SPIFFE trust bundle: "), "{said}");
    let by_address = format!("https://127.0.0.1:{port}/pem");
    let said = refusal(&mut pair, &by_address, "pem").unwrap();
    assert!(said.starts_with(&unreachable(&by_address, "tls: invalid peer certificate: ")), "{said}");
    let other = Authority::new("web.example").unwrap();
    fs::write(pair.path("roots.pem"), other.certificate_pem()).unwrap();
    let said = refusal(&mut pair, &at("pem"), "pem").unwrap();
    assert!(said.starts_with(&unreachable(&at("pem"), "tls: invalid peer certificate: ")), "{said}");
    let nobody = format!("https://127.0.0.1:{}/", steeple_tests_system::dev::free_port().unwrap());
    let address = nobody.trim_start_matches("https://").trim_end_matches('/');
    let said = refusal(&mut pair, &nobody, "pem").unwrap();
    assert_eq!(said, unreachable(&nobody, &format!("dial tcp {address}: connect: connection refused")));
}

#[test]
fn bundle_of_a_socket_is_what_the_server_is_verified_by() {
    let mut pair = Pair::new().unwrap();
    let _server = pair.start_server().unwrap();
    let socket = pair.path("bundles.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let answer = answer("200 OK", "", &bundle(&pair, "pem").unwrap());
    let served = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            connection.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        connection.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    let socket = socket.display();
    pair.agent_trust =
        format!("trust_bundle_url = \"http://localhost/bundle?a=b\"\n  trust_bundle_unix_socket = \"{socket}\"");
    let token = pair.admit(AGENT).unwrap();
    let _agent = pair.start_agent(AGENT, Some(&token)).unwrap();
    let request = served.join().unwrap();
    assert!(
        request.starts_with("GET /bundle?a=b&spiffe-trust-domain=rig.example&spire-attest-mode=bootstrap&"),
        "{request}"
    );
}

#[test]
fn bundle_of_a_workload_api_is_what_the_server_is_verified_by() {
    let mut pair = Pair::new().unwrap();
    let _server = pair.start_server().unwrap();
    let token = pair.admit("upper").unwrap();
    let mut upper = pair.start_agent("upper", Some(&token)).unwrap();
    let socket = pair.path("upper-api/api.sock");
    pair.agent_trust = format!("trust_bundle_spiffe_workload_api = \"unix://{}\"", socket.display());
    let token = pair.admit("lower").unwrap();
    let lower = pair.start_agent("lower", Some(&token)).unwrap();
    let said = format!("Fetching trust bundle from SPIFFE Workload API: unix://{}", socket.display());
    assert!(lower.log().contains(&said), "{}", lower.log());
    upper.kill().unwrap();
    let mut orphan = pair.launch_agent("orphan", Some("token")).unwrap();
    let said = format!("unable to fetch trust bundle from SPIFFE Workload API unix://{}: ", socket.display());
    let log = orphan.log_path();
    orphan.wait_for(|| Ok(fs::read_to_string(&log)?.contains(&said))).unwrap();
}
