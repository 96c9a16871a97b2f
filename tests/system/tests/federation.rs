//! A server that fetches the bundle of another trust domain from an endpoint of the web.

use std::fs;

use anyhow::Result;
use jiff::SignedDuration;
use steeple_crypto::bundle::to_document;
use steeple_tests_system::authority::Authority;
use steeple_tests_system::dev::free_port;
use steeple_tests_system::http;
use steeple_tests_system::pair::{Pair, Program};
use steeple_tests_system::party::serve_https;
use steeple_types::{Bundle, TrustDomain, X509Authority};

const OTHER: &str = "other.example";

/// An endpoint of the web with the bundle of `other.example`, and a server that believes it and federates with what is at
/// `path` there. Yields the bundle's document.
fn federate(pair: &mut Pair, path: &str) -> Result<String> {
    let web = Authority::new("web.example")?;
    let leaf = web.leaf(&[], &["localhost"], SignedDuration::from_hours(1))?;
    let roots = pair.path("roots.pem");
    fs::write(&roots, web.certificate_pem())?;
    pair.server_environment = vec![("SSL_CERT_FILE", roots.display().to_string())];
    let authority = X509Authority { certificate: Authority::new(OTHER)?.certificate, tainted: false };
    let bundle = Bundle {
        x509_authorities: vec![authority],
        sequence_number: 3,
        refresh_hint: 3600,
        ..Bundle::empty(TrustDomain::from_name(OTHER)?)
    };
    let document = to_document(&bundle)?;
    let (served, of_rig) = (document.clone(), include_str!("../../golden/bundle.json"));
    let answer = |status: &str, header: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{header}\r\n{body}", body.len())
    };
    let port = serve_https(&leaf, move |line| match line.split(' ').nth(1).unwrap_or_default() {
        "/bundle" => answer("200 OK", "", &served),
        "/moved" => answer("307 Temporary Redirect", "Location: bundle\r\n", ""),
        "/of-rig" => answer("200 OK", "", of_rig),
        _ => answer("404 Not Found", "", "no such page"),
    })?;
    pair.server_lines = format!(
        "federation {{ federates_with \"{OTHER}\" {{ bundle_endpoint_url = \"https://localhost:{port}{path}\" \
         bundle_endpoint_profile \"https_web\" {{}} }} }}"
    );
    Ok(document)
}

fn listed(pair: &Pair) -> Result<String> {
    let listed = pair.server("bundle list", &["-id", &format!("spiffe://{OTHER}"), "-format", "spiffe"])?;
    Ok(listed.stdout.trim_end().to_owned())
}

/// The lines of the log that tell `message`, once there are some.
fn told(server: &mut Program, message: &str) -> Result<String> {
    let log = server.log_path();
    let lines = || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let found = text.lines().filter(|line| line.contains(&format!(" msg=\"{message}\" ")));
        found.map(|line| line.split_once(" level=").map_or(line, |(_time, rest)| rest).to_owned()).collect::<Vec<_>>()
    };
    server.wait_for(|| Ok(!lines().is_empty()))?;
    Ok(lines().join("\n"))
}

#[test]
fn bundle_of_the_web_is_fetched_told_and_counted() {
    let mut pair = Pair::new().unwrap();
    let document = federate(&mut pair, "/moved").unwrap();
    let metrics = free_port().unwrap();
    pair.server_blocks = format!("telemetry {{ Prometheus {{ host = \"127.0.0.1\" port = {metrics} }} }}");
    let mut server = pair.start_server().unwrap();
    server.wait_for(|| Ok(listed(&pair)? == document)).unwrap();
    let url = pair.server_lines.split('"').find(|text| text.starts_with("https://")).unwrap().to_owned();
    let common = "subsystem_name=bundle_client trust_domain=other.example";
    let managed = format!("bundle_endpoint_profile=https_web bundle_endpoint_url=\"{url}\" {common}");
    assert_eq!(
        told(&mut server, "Trust domain is now managed").unwrap(),
        format!("info msg=\"Trust domain is now managed\" {managed}")
    );
    assert_eq!(told(&mut server, "Bundle refreshed").unwrap(), format!("info msg=\"Bundle refreshed\" {common}"));
    let scheduled = told(&mut server, "Scheduling next bundle refresh").unwrap();
    assert!(scheduled.starts_with("debug msg=\"Scheduling next bundle refresh\" at=") && scheduled.ends_with(common));
    let (_, counted) = http::get(&metrics, "/metrics").unwrap();
    for (family, rest) in [("fetch_federated_bundle", ",status=\"OK\""), ("update_federated_bundle", "")] {
        let counter = counted.lines().find(|line| {
            line.starts_with(&format!("spire_server_bundle_manager_{family}{{"))
                && line.ends_with(&format!("trust_domain_id=\"other.example\"{rest}}} 1"))
        });
        assert!(counter.is_some(), "{family}:\n{counted}");
    }
    let refreshed = pair.server("federation refresh", &["-id", OTHER]).unwrap();
    assert_eq!((refreshed.exit, refreshed.stdout.as_str()), (0, "Bundle refreshed\n"));
    assert_eq!(told(&mut server, "Bundle refreshed").unwrap().lines().count(), 2, "the command's own line");
}

#[test]
fn endpoint_that_is_not_believed_or_lies_is_told() {
    let mut pair = Pair::new().unwrap();
    federate(&mut pair, "/of-rig").unwrap();
    {
        let mut server = pair.start_server().unwrap();
        let said = told(&mut server, "Error updating bundle").unwrap();
        assert!(
            said.contains("the bundle is that of trust domain \\\"rig.example\\\", not of \\\"other.example\\\""),
            "{said}"
        );
    }
    fs::write(pair.path("roots.pem"), Authority::new("web.example").unwrap().certificate_pem()).unwrap();
    let mut server = pair.start_server().unwrap();
    let said = told(&mut server, "Error updating bundle").unwrap();
    assert!(said.contains("tls: invalid peer certificate: "), "{said}");
    let refused = pair.server("federation refresh", &["-id", OTHER]).unwrap();
    assert_eq!(refused.exit, 1);
    assert!(
        refused.stderr.starts_with(
            "Error: failed to refresh bundle: rpc error: code = Internal desc = failed to refresh bundle: "
        )
    );
    assert_eq!(listed(&pair).unwrap(), "", "nothing is known");
}
