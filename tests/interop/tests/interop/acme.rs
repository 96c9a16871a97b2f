//! Certificates by ACME from Pebble: our bundle endpoint, which Go SPIRE asks, and discovery providers. Go SPIRE's endpoint gets
//! none from Pebble, which wants more of a request than a common name.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use serde_json::Value;
use steeple_crypto::pem;
use steeple_tests_interop::pebble::{PEERS, Pebble};
use steeple_tests_interop::{OURS, Pair, Process, Product, Rig, Server, ServerSettings, Tunnel, free_port, poll, run};

const OTHER: &str = "other.example";
const DOMAIN: &str = "bundle.acme.test";

#[test]
fn go_federates_with_ours_by_a_certificate_from_acme() {
    run(Pair { server: Product::Steeple, agent: Product::Go }, &PEERS, federate);
}

#[test]
fn server_without_a_certificate_serves_all_else_and_tells_why() {
    run(OURS, &PEERS, without);
}

#[test]
fn discovery_provider_has_certificates_by_acme_and_leaves_them_to_spire() {
    run(OURS, &[&PEERS[..], &["oidc-discovery-provider"]].concat(), discovery);
}

/// What was shown and said.
struct Shown {
    leaf: Vec<u8>,
    said: String,
}

/// Asks who listens on a port of this machine, under a name, with whom `roots` (PEM) vouch for.
fn ask(port: u16, name: &str, path: &str, roots: &Path) -> Result<Shown> {
    let mut store = RootCertStore::empty();
    for root in pem::certificates(&std::fs::read_to_string(roots)?)? {
        store.add(root.into())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_root_certificates(store).with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned())?)?;
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(Duration::from_mins(2)))?;
    let mut stream = rustls::Stream::new(&mut connection, &mut socket);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")?;
    let mut said = Vec::new();
    // Not everybody says goodbye.
    let _end = stream.read_to_end(&mut said);
    let leaf = connection.peer_certificates().and_then(<[_]>::first).context("no certificate")?.to_vec();
    Ok(Shown { leaf, said: String::from_utf8_lossy(&said).into_owned() })
}

/// A file of the authorities by which `pebble` is believed, and what it issues.
fn roots(pebble: &Pebble, folder: &Path) -> Result<PathBuf> {
    let answer = ask(pebble.management(), "localhost", "/roots/0", pebble.authority())?.said;
    let root = answer.split_once("\r\n\r\n").map(|(_, body)| body).context("no root")?;
    let path = folder.join("roots.pem");
    std::fs::write(&path, std::fs::read_to_string(pebble.authority())? + root)?;
    Ok(path)
}

fn environment(roots: &Path, tunnel: &Tunnel) -> Vec<(String, String)> {
    vec![("SSL_CERT_FILE".to_owned(), roots.display().to_string()), tunnel.environment()]
}

fn endpoint(port: u16, directory: &str, tos_accepted: bool) -> String {
    format!(
        "  federation {{ bundle_endpoint {{ address = \"127.0.0.1\" port = {port} profile \"https_web\" {{ acme {{\n  \
         domain_name = \"{DOMAIN}\" email = \"admin@acme.test\" directory_url = \"{directory}\" tos_accepted = \
         {tos_accepted} }} }} }} }}"
    )
}

/// The server of the rig has its certificate by ACME, and one of the other product federates with it. It is kept when the server starts
/// again without an ACME server, also as the other product.
fn federate(rig: &Rig) -> Result<()> {
    let port = free_port()?;
    let pebble = Pebble::start(rig.folder(), port)?;
    let (roots, tunnel) = (roots(&pebble, rig.folder())?, Tunnel::start()?);
    let environment = environment(&roots, &tunnel);
    let lines = endpoint(port, &pebble.directory(), true);
    let settings = ServerSettings { lines, environment: environment.clone(), ..ServerSettings::default() };
    let mut server = rig.server(&settings)?;
    let lines = format!(
        "  federation {{ federates_with \"{}\" {{ bundle_endpoint_url = \"https://{DOMAIN}:{port}\" \
         bundle_endpoint_profile \"https_web\" {{}} }} }}",
        server.trust_domain()
    );
    let settings = ServerSettings { lines, environment, ..ServerSettings::default() };
    let product = rig.agent_product();
    let reader = rig.neighbour(OTHER, Pair { server: product, agent: product })?.server(&settings)?;
    let id = format!("spiffe://{}", server.trust_domain());
    let bundle = poll::until_ok("the federated bundle", || {
        reader.ok(&["federation", "refresh", "-id", &id])?;
        reader.ok(&["bundle", "list", "-id", &id, "-format", "spiffe"])
    })?;
    let own: Value = serde_json::from_str(&server.ok(&["bundle", "show", "-format", "spiffe"])?)?;
    let own = own.pointer("/keys/0/x5c/0").and_then(Value::as_str).context("no authority")?;
    ensure!(bundle.contains(own), "{bundle}");
    let log = server.log()?;
    for told in ["ACME Terms of Service accepted", "bundle-acme-acme_account+key", "Generated new key"] {
        ensure!(log.contains(told), "{told} is not in {log}");
    }
    pebble.kill()?;
    restarts(rig, &mut server, port, &roots)
}

fn restarts(rig: &Rig, server: &mut Server, port: u16, roots: &Path) -> Result<()> {
    let first = ask(port, DOMAIN, "/", roots)?;
    ensure!(first.said.contains("spiffe_sequence"), "{}", first.said);
    let kept = std::fs::read_to_string(rig.folder().join("server/bundle-acme").join(DOMAIN))?;
    ensure!(pem::certificates(&kept)?.first() == Some(&first.leaf) && !kept.contains("PRIVATE"), "{kept}");
    for product in [Product::Steeple, Product::Go, Product::Steeple] {
        server.stop()?;
        if product == Product::Go {
            // That of this peer is of an older schema; ours goes on with it.
            for end in ["", "-wal", "-shm"] {
                let _absent = std::fs::remove_file(rig.folder().join(format!("server/datastore.sqlite3{end}")));
            }
        }
        server.become_of(product, rig.folder())?;
        server.start()?;
        let again = ask(port, DOMAIN, "/", roots)?;
        ensure!(again.leaf == first.leaf, "{product:?} shows another certificate");
    }
    Ok(())
}

fn without(rig: &Rig) -> Result<()> {
    let port = free_port()?;
    let pebble = Pebble::start(rig.folder(), port)?;
    let (roots, tunnel) = (roots(&pebble, rig.folder())?, Tunnel::start()?);
    let nobody = format!("https://localhost:{}/dir", free_port()?);
    for (folder, directory, tos_accepted, told) in [
        ("down", nobody, true, vec!["No certificate could be had by ACME", "connection refused"]),
        (
            "terms",
            pebble.directory(),
            false,
            vec![
                "ACME Terms of Service have not been accepted. See the `tos_accepted` configurable",
                "No certificate could be had by ACME",
                "did not agree to the terms of service",
            ],
        ),
    ] {
        let lines = endpoint(port, &directory, tos_accepted);
        let settings = ServerSettings { lines, environment: environment(&roots, &tunnel), ..ServerSettings::default() };
        let mut server = rig.level(folder, OURS)?.server(&settings)?;
        ensure!(ask(port, DOMAIN, "/", &roots).is_err(), "a certificate of nowhere");
        let log = server.log()?;
        for told in told {
            ensure!(log.contains(told), "{told} is not in {log}");
        }
        let other = ask(port, "elsewhere.acme.test", "/", &roots).map(|shown| shown.said);
        ensure!(other.is_err(), "{other:?}");
        let refusal = "host \\\"elsewhere.acme.test\\\" not configured in HostWhitelist";
        poll::until("the refusal of another name", || Ok(server.log()?.contains(refusal).then_some(())))?;
        server.stop()?;
    }
    Ok(())
}

/// The provider's port is that of HTTPS, whatever the configuration says.
const HTTPS: u16 = 443;

fn discovery(rig: &Rig) -> Result<()> {
    let folder = rig.folder();
    let pebble = Pebble::start(folder, HTTPS)?;
    let (roots, tunnel) = (roots(&pebble, folder)?, Tunnel::start()?);
    let (config, document) = (folder.join("oidc.conf"), folder.join("bundle.json"));
    std::fs::write(&document, "{\"keys\":[]}")?;
    let text = format!(
        "domains = [\"oidc.acme.test\"]\nlog_level = \"debug\"\nfile {{ path = {:?} }}\nacme {{ email = \
         \"admin@acme.test\" tos_accepted = true directory_url = \"{}\" cache_dir = {:?} }}\n",
        document.display().to_string(),
        pebble.directory(),
        folder.join("cache").display().to_string()
    );
    std::fs::write(&config, text)?;
    let start = |product: Product| {
        let mut run = Command::new(product.program("oidc-discovery-provider", folder)?);
        run.arg("-config").arg(&config).envs(environment(&roots, &tunnel));
        Process::start(&mut run, &folder.join(format!("{product:?}.log")))
    };
    let shown = || {
        poll::until_ok("a certificate", || {
            let shown = ask(HTTPS, "oidc.acme.test", "/.well-known/openid-configuration", &roots)?;
            ensure!(shown.said.contains("https://oidc.acme.test/keys"), "{}", shown.said);
            Ok(shown.leaf)
        })
    };
    let ours = start(Product::Steeple)?;
    let first = shown()?;
    let log = ours.printed()?;
    for told in ["Serving HTTPS via ACME", "ACME Terms Of Service accepted", "Certificate issued by ACME"] {
        ensure!(log.contains(told), "{told} is not in {log}");
    }
    ours.stop()?;
    pebble.kill()?;
    for product in [Product::Go, Product::Steeple] {
        let provider = start(product)?;
        ensure!(shown()? == first, "{product:?} shows another certificate");
        provider.kill()?;
    }
    Ok(())
}
