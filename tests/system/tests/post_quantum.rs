//! TLS by post-quantum key exchange alone, for those who demand it, against peers that have none.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::Result;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use steeple_tests_system::authority::Authority;
use steeple_tests_system::pair::Pair;
use steeple_tests_system::rig::TRUST_DOMAIN;

const AGENT: &str = "agent";
const DEMAND: &str = "experimental { require_pq_kem = true }";
const TOLD: &str = "Experimental option 'require_pq_kem' is enabled";

/// All that there was before.
fn classical() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { kx_groups: vec![kx_group::X25519, kx_group::SECP256R1], ..default_provider() })
}

/// What a client that has classical methods alone is told by the server on `port`.
fn told_to_a_client(port: u16) -> Result<String> {
    let config = ClientConfig::builder_with_provider(classical()).with_safe_default_protocol_versions()?;
    let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), "spire-server".try_into()?)?;
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    Ok(format!("{:?}", connection.complete_io(&mut stream)))
}

/// Takes one connection by classical methods alone; yields what became of it.
fn outcome_of_a_server(listener: &TcpListener) -> Result<String> {
    let authority = Authority::new(TRUST_DOMAIN)?;
    let id = format!("spiffe://{TRUST_DOMAIN}/spire/server");
    let leaf = authority.leaf(&[&id], &[], jiff::SignedDuration::from_hours(1))?;
    let key = PrivateKeyDer::try_from(leaf.key.to_pkcs8()?.to_vec()).map_err(anyhow::Error::msg)?;
    let config = ServerConfig::builder_with_provider(classical()).with_safe_default_protocol_versions()?;
    let config = config.with_no_client_auth().with_single_cert(vec![leaf.certificate.into()], key)?;
    let mut connection = ServerConnection::new(Arc::new(config))?;
    let (mut stream, _) = listener.accept()?;
    Ok(format!("{:?}", connection.complete_io(&mut stream)))
}

#[test]
fn agent_and_server_agree_on_keys_by_post_quantum_methods_alone() {
    let mut pair = Pair::new().unwrap();
    (pair.server_lines, pair.agent_lines) = (DEMAND.to_owned(), DEMAND.to_owned());
    let server = pair.start_server().unwrap();
    let token = pair.admit(AGENT).unwrap();
    let agent = pair.start_agent(AGENT, Some(&token)).unwrap();
    assert!(server.log().contains(TOLD) && agent.log().contains(TOLD));
    let told = told_to_a_client(pair.port()).unwrap();
    assert!(told.contains("HandshakeFailure"), "{told}");
}

#[test]
fn agent_that_demands_post_quantum_methods_takes_no_others() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut pair = Pair::new().unwrap();
    pair.agent_lines = format!("{DEMAND}\n  server_port = {}", listener.local_addr().unwrap().port());
    let _agent = pair.launch_agent(AGENT, Some("token")).unwrap();
    let outcome = outcome_of_a_server(&listener).unwrap();
    assert!(outcome.contains("NoKxGroupsInCommon"), "{outcome}");
}

#[test]
fn server_without_the_demand_takes_classical_methods() {
    let pair = Pair::new().unwrap();
    let _server = pair.start_server().unwrap();
    let told = told_to_a_client(pair.port()).unwrap();
    assert!(told.contains("UnknownIssuer"), "{told}");
}
