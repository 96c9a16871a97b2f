//! Who knocks at the server's TCP listener and is none of its clients: each is refused, and the listener goes on serving.

use std::fs;

use anyhow::{Result, ensure};
use jiff::SignedDuration;
use steeple_tests_system::authority::{Authority, Leaf};
use steeple_tests_system::pair::{Pair, Program};
use steeple_tests_system::party::{Dialling, in_the_clear};
use steeple_tests_system::rig::TRUST_DOMAIN;

const AGENT: &str = "spiffe://rig.example/spire/agent/x";
/// The kind of frame by which an HTTP/2 server begins: its settings.
const SETTINGS: u8 = 4;
/// The kind of TLS record by which a server refuses, and the level of what it says there.
const ALERT: u8 = 21;
const FATAL: u8 = 2;

/// A server whose root is in the hand of the test.
struct Gate {
    pair: Pair,
    root: Authority,
    _server: Program,
}

impl Gate {
    fn new() -> Result<Self> {
        let (mut pair, root) = (Pair::new()?, Authority::new(TRUST_DOMAIN)?);
        let (certificate, key) = (pair.path("root.pem"), pair.path("root.key"));
        fs::write(&certificate, root.certificate_pem())?;
        fs::write(&key, root.key_pem()?)?;
        pair.server_plugins = format!(
            "UpstreamAuthority \"disk\" {{ plugin_data {{ cert_file_path = {:?} key_file_path = {:?} }} }}",
            certificate.display().to_string(),
            key.display().to_string()
        );
        let server = pair.start_server()?;
        Ok(Self { pair, root, _server: server })
    }

    /// A certificate of the root with these IDs.
    fn leaf(&self, uris: &[&str]) -> Result<Leaf> {
        self.root.leaf(uris, &[], SignedDuration::from_hours(1))
    }

    fn port(&self) -> String {
        self.pair.port().to_string()
    }

    fn knock(&self, dialling: &Dialling<'_>) -> Result<Vec<u8>> {
        dialling.first_words(&self.port())
    }

    /// Asserts that somebody is refused by the alert that `alert` names, and who has a certificate is served after that.
    fn refuses(&self, who: &str, dialling: &Dialling<'_>, alert: &str) -> Result<()> {
        let said = self.knock(dialling);
        let refused = said.as_ref().is_err_and(|error| format!("{error:#}").contains(alert));
        ensure!(refused, "{who}: {said:?}");
        self.serves()
    }

    fn serves(&self) -> Result<()> {
        let leaf = self.leaf(&[AGENT])?;
        self.greets(&Dialling::grpc(Some(&leaf)))
    }

    /// Makes sure that the server greets a client as HTTP/2 has it.
    fn greets(&self, dialling: &Dialling<'_>) -> Result<()> {
        let said = self.knock(dialling)?;
        ensure!(said.get(3) == Some(&SETTINGS), "{said:?}");
        Ok(())
    }
}

#[test]
fn client_may_show_a_certificate_of_the_trust_domain_or_none() {
    let gate = Gate::new().unwrap();
    gate.serves().unwrap();
    gate.greets(&Dialling::grpc(None)).unwrap();
}

#[test]
fn client_with_a_certificate_that_is_no_svid_of_the_trust_domain_is_refused() {
    let gate = Gate::new().unwrap();
    let hour = SignedDuration::from_hours(1);
    let stranger = Authority::new(TRUST_DOMAIN).unwrap();
    for (who, leaf) in [
        ("of another trust domain", gate.leaf(&["spiffe://other.example/agent"]).unwrap()),
        ("expired", gate.root.leaf(&[AGENT], &[], -SignedDuration::from_mins(1)).unwrap()),
        ("with two URIs", gate.leaf(&[AGENT, "spiffe://rig.example/other"]).unwrap()),
        ("with no URI", gate.root.leaf(&[], &["agent.rig.example"], hour).unwrap()),
        ("with a URI that is no SPIFFE ID", gate.leaf(&["https://rig.example/agent"]).unwrap()),
        ("of an authority that nobody knows", stranger.leaf(&[AGENT], &[], hour).unwrap()),
    ] {
        gate.refuses(who, &Dialling::grpc(Some(&leaf)), "received fatal alert: ").unwrap();
    }
}

#[test]
fn client_that_speaks_something_else_is_refused() {
    let gate = Gate::new().unwrap();
    let leaf = gate.leaf(&[AGENT]).unwrap();
    let leaf = Some(&leaf);
    let http = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let of_http_1 = Dialling { leaf, alpn: &[b"http/1.1"], words: http };
    gate.refuses("HTTP/1.1 by ALPN", &of_http_1, "NoApplicationProtocol").unwrap();
    let port = gate.port();
    // A server of HTTP/2 may say its settings before it hears that it is spoken to in something else.
    let said = gate.knock(&Dialling { leaf, alpn: &[], words: http });
    assert!(said.as_ref().map_or(true, |said| !said.starts_with(b"HTTP/1")), "HTTP/1.1 without ALPN: {said:?}");
    gate.serves().unwrap();
    let said = in_the_clear(&port, &greeting_of_tls_1_1()).unwrap();
    assert!(matches!(said[..], [ALERT, 3, _, 0, 2, FATAL, _]), "TLS 1.1: {said:?}");
    for (who, words) in [
        ("HTTP/1.1 in the clear", &http[..]),
        ("a gRPC client in the clear", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("noise", &[0xa5; 4096]),
    ] {
        let said = in_the_clear(&port, words).unwrap();
        assert!(said.is_empty() || said.first() == Some(&ALERT), "{who}: {said:?}");
        gate.serves().unwrap();
    }
}

/// The greeting of a client that speaks nothing after TLS 1.1: a random of zeros, two suites, no extension.
fn greeting_of_tls_1_1() -> Vec<u8> {
    let hello = [&[3, 2][..], &[0; 32], &[0], &[0, 4, 0xc0, 0x13, 0, 0x2f], &[1, 0]].concat();
    let length = u8::try_from(hello.len()).unwrap_or_default();
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat()
}
