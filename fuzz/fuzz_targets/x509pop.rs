//! What both halves of `x509pop` say to one another: a node without its key proves nothing, and answers only what fits.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use async_trait::async_trait;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use steeple_clock::Clock;
use steeple_crypto::pem::certificates;
use steeple_node_attest::x509pop::{Trust, X509PopAgent, X509PopAgentConfig, X509PopServer, X509PopServerConfig};
use steeple_plugin::{AgentNodeAttestor, Conversation, NodeAttestor, Origin, PluginError};
use steeple_types::TrustDomain;

static SERVER: LazyLock<X509PopServer> = LazyLock::new(|| {
    let config = X509PopServerConfig {
        trust_domain: TrustDomain::from_name("example.org").unwrap(),
        trust: Trust::ExternalPki(certificates(include_str!("../fixtures/ca.pem")).unwrap()),
        max_intermediates: 4,
        max_rsa_key_size: 8192,
        verify_client_ip: false,
    };
    let (clock, _) = Clock::manual(jiff::Timestamp::from_second(1_900_000_000).unwrap());
    X509PopServer::new(config, clock)
});

static AGENT: LazyLock<X509PopAgent> = LazyLock::new(|| {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let config = X509PopAgentConfig {
        private_key_path: fixtures.join("node-key.pem"),
        certificate_path: fixtures.join("node.pem"),
        intermediates_path: None,
    };
    X509PopAgent::new(config).unwrap()
});

/// Answers each challenge with the same bytes.
struct Answer<'a>(&'a [u8]);

#[async_trait]
impl Conversation for Answer<'_> {
    async fn challenge(&mut self, _challenge: Vec<u8>) -> Result<Vec<u8>, PluginError> {
        Ok(self.0.to_vec())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let origin = Origin::default();
    let attempt = |payload: &[u8]| block_on(SERVER.attest(payload, &origin, &mut Answer(bytes)));
    assert!(attempt(bytes).is_err());
    let mut node = block_on(AGENT.begin()).unwrap();
    let refusal = attempt(&node.payload()).unwrap_err().to_string();
    assert!(refusal.contains("challenge response"), "{refusal}");
    if let Ok(response) = block_on(node.respond(bytes)) {
        // Whoever relays the answer to another challenge proves nothing either.
        assert!(block_on(SERVER.attest(&node.payload(), &origin, &mut Answer(&response))).is_err());
    }
});
