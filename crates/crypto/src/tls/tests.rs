//! Handshakes in memory, between a server of `example.org` and clients of all kinds.

use rustls::crypto::SupportedKxGroup;
use rustls::{ClientConfig, ClientConnection, Error, NamedGroup, ProtocolVersion, ServerConfig, ServerConnection};
use rustls_pki_types::ServerName;
use steeple_types::SpiffeId;

use super::*;
use crate::keys::{KeyType, PrivateKey};
use crate::x509::{CertificateTemplate, Name, Purpose};

const SERVER: &str = "spiffe://example.org/spire/server";
const AGENT: &str = "spiffe://example.org/spire/agent/x";

struct Ca {
    key: PrivateKey,
    certificate: Vec<u8>,
}

const END: &str = "2027-01-01T00:00:00Z";

fn certificate(key: &PrivateKey, issuer: &PrivateKey, purpose: Purpose, uris: &[&str], not_after: &str) -> Vec<u8> {
    let name = Name::of("US", if purpose == Purpose::Ca { "CA" } else { "LEAF" });
    let uris: Vec<String> = uris.iter().map(|uri| (*uri).to_owned()).collect();
    let template = CertificateTemplate {
        serial: &[1],
        issuer: &Name::of("US", "CA").to_der(),
        subject: &name,
        not_before: "2025-01-01T00:00:00Z".parse().unwrap(),
        not_after: not_after.parse().unwrap(),
        public_key: key.public_key(),
        authority_key_id: &[],
        purpose,
        uris: &uris,
        dns_names: &[],
        signature: issuer.public_key().certificate_signature().unwrap(),
    };
    template.encode().sign(issuer).unwrap()
}

impl Ca {
    fn new() -> Self {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap();
        Self { certificate: certificate(&key, &key, Purpose::Ca, &["spiffe://example.org"], END), key }
    }

    /// A party that holds a certificate of this authority with these URIs, and believes `trusted`.
    fn party(&self, uris: &[&str], trusted: &Self) -> Arc<dyn TlsSource> {
        self.party_until(uris, trusted, END)
    }

    /// The same with a certificate that ends at `not_after`.
    fn party_until(&self, uris: &[&str], trusted: &Self, not_after: &str) -> Arc<dyn TlsSource> {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap();
        let chain = [certificate(&key, &self.key, Purpose::Leaf, uris, not_after)];
        let identity = Some(certified_key(&chain, &key.to_pkcs8().unwrap()).unwrap());
        Arc::new(Party { identity, authority: trusted.certificate.clone() })
    }
}

struct Party {
    identity: Option<Arc<CertifiedKey>>,
    authority: Vec<u8>,
}

impl TlsSource for Party {
    fn identity(&self) -> Option<Arc<CertifiedKey>> {
        self.identity.clone()
    }

    fn authorities(&self, trust_domain: &TrustDomain) -> Vec<Vec<u8>> {
        if trust_domain.name() == "example.org" { vec![self.authority.clone()] } else { Vec::new() }
    }

    fn now(&self) -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }
}

fn id(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

/// How many certificates of the client the server has seen when the handshake is over.
fn handshake(client: Arc<dyn TlsSource>, server: Arc<dyn TlsSource>, expected: &str) -> Result<usize, Error> {
    let client = client_config(client, ServerVerification::Id(id(expected)), KeyExchange::Any)?;
    let server = server_config(server, Arc::new(|id| id.path() != "/shut-out"), KeyExchange::Any)?;
    let (_, server) = shake(client, server)?;
    Ok(server.peer_certificates().map_or(0, <[_]>::len))
}

/// Both ends of a connection whose handshake is over.
fn shake(client: ClientConfig, server: ServerConfig) -> Result<(ClientConnection, ServerConnection), Error> {
    let mut client = ClientConnection::new(Arc::new(client), ServerName::try_from("localhost").unwrap())?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    while client.is_handshaking() || server.is_handshaking() {
        let (mut sent, mut answered) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut sent).unwrap();
        }
        server.read_tls(&mut sent.as_slice()).unwrap();
        server.process_new_packets()?;
        while server.wants_write() {
            server.write_tls(&mut answered).unwrap();
        }
        client.read_tls(&mut answered.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok((client, server))
}

#[test]
fn client_certificate_is_asked_for_and_not_demanded() {
    let ca = Ca::new();
    let server = ca.party(&[SERVER], &ca);
    assert_eq!(handshake(ca.party(&[AGENT], &ca), Arc::clone(&server), SERVER), Ok(1));
    let anonymous = Party { identity: None, authority: ca.certificate.clone() };
    assert_eq!(handshake(Arc::new(anonymous), server, SERVER), Ok(0));
}

#[test]
fn client_certificate_must_lead_to_the_bundle_of_its_id() {
    let (ca, foreign) = (Ca::new(), Ca::new());
    let server = ca.party(&[SERVER], &ca);
    for client in [
        foreign.party(&[AGENT], &ca),
        ca.party(&["spiffe://other.example/agent"], &ca),
        ca.party(&[], &ca),
        ca.party(&[AGENT, SERVER], &ca),
        ca.party(&["spiffe://example.org/shut-out"], &ca),
    ] {
        assert!(handshake(client, Arc::clone(&server), SERVER).is_err());
    }
}

#[test]
fn server_must_hold_the_id_that_is_expected_of_it() {
    let (ca, foreign) = (Ca::new(), Ca::new());
    let client = ca.party(&[AGENT], &ca);
    assert!(handshake(Arc::clone(&client), ca.party(&[AGENT], &ca), SERVER).is_err());
    assert!(handshake(client, foreign.party(&[SERVER], &ca), SERVER).is_err());
}

#[test]
fn unknown_authority_is_told_from_a_certificate_that_is_not_valid() {
    let (ca, foreign) = (Ca::new(), Ca::new());
    let with = |server| handshake(ca.party(&[AGENT], &ca), server, SERVER);
    // The foreign authority has the name of the other.
    let unknown = rustls::CertificateError::UnknownIssuer;
    assert_eq!(with(foreign.party(&[SERVER], &ca)), Err(Error::InvalidCertificate(unknown)));
    let expired = ca.party_until(&[SERVER], &ca, "2025-12-31T00:00:00Z");
    for server in [expired, ca.party(&[SERVER, AGENT], &ca)] {
        let refused = with(server).unwrap_err();
        assert!(matches!(refused, Error::InvalidCertificate(rustls::CertificateError::Other(_))), "{refused}");
    }
}

/// The greeting of a client that speaks nothing after TLS 1.1: a random of zeros, two suites, no extension.
fn greeting_of_tls_1_1() -> Vec<u8> {
    let hello = [&[3, 2][..], &[0; 32], &[0], &[0, 4, 0xc0, 0x13, 0, 0x2f], &[1, 0]].concat();
    let length = u8::try_from(hello.len()).unwrap();
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat()
}

/// The greeting of a client that believes nobody.
fn greeting(provider: Arc<CryptoProvider>, version: &'static SupportedProtocolVersion) -> Vec<u8> {
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut client = ClientConnection::new(Arc::new(client), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut sent = Vec::new();
    client.write_tls(&mut sent).unwrap();
    sent
}

#[test]
fn tls_1_2_is_spoken_and_1_1_is_not() {
    let ca = Ca::new();
    let server = || server_config(ca.party(&[SERVER], &ca), Arc::new(|_| true), KeyExchange::Any).unwrap();
    let mut old = ServerConnection::new(Arc::new(server())).unwrap();
    old.read_tls(&mut greeting_of_tls_1_1().as_slice()).unwrap();
    assert!(matches!(old.process_new_packets(), Err(Error::PeerIncompatible(_))));
    for version in [&rustls::version::TLS12, &TLS13] {
        let mut connection = ServerConnection::new(Arc::new(server())).unwrap();
        connection.read_tls(&mut greeting(KeyExchange::Any.provider(), version).as_slice()).unwrap();
        connection.process_new_packets().unwrap();
        assert_eq!(connection.protocol_version(), Some(version.version));
    }
}

#[test]
fn server_speaks_http_2_alone_and_hands_out_no_session_tickets() {
    let ca = Ca::new();
    let config = server_config(ca.party(&[SERVER], &ca), Arc::new(|_| true), KeyExchange::Any).unwrap();
    assert_eq!(config.alpn_protocols, [b"h2".to_vec()]);
    assert_eq!(config.send_tls13_tickets, 0);
    assert!(!config.ticketer.enabled() && !config.session_storage.can_cache());
}

#[test]
fn post_quantum_key_exchange_is_preferred_and_can_be_demanded() {
    let ca = Ca::new();
    let party = || ca.party(&[SERVER], &ca);
    let client = |exchange| client_config(party(), ServerVerification::Id(id(SERVER)), exchange).unwrap();
    let server = |exchange| server_config(party(), Arc::new(|_: &SpiffeId| true), exchange).unwrap();
    let agreed = |client, server| {
        let (client, _) = shake(client, server)?;
        Ok::<_, Error>((client.protocol_version(), client.negotiated_key_exchange_group().map(SupportedKxGroup::name)))
    };
    let hybrid = Ok((Some(ProtocolVersion::TLSv1_3), Some(NamedGroup::X25519MLKEM768)));
    for ours in [KeyExchange::Any, KeyExchange::PostQuantum] {
        for theirs in [KeyExchange::Any, KeyExchange::PostQuantum] {
            assert_eq!(agreed(client(ours), server(theirs)), hybrid);
        }
    }
    // Parties that know nothing of it, or speak TLS 1.2.
    let mut classical = rustls::crypto::aws_lc_rs::default_provider();
    classical.kx_groups = vec![kx_group::X25519];
    let any = KeyExchange::Any.provider();
    for (provider, version) in [(Arc::new(classical), &TLS13), (any, &rustls::version::TLS12)] {
        let greeting = greeting(provider, version);
        let answer = |exchange| {
            let mut connection = ServerConnection::new(Arc::new(server(exchange))).unwrap();
            connection.read_tls(&mut greeting.as_slice()).unwrap();
            connection.process_new_packets().map(drop)
        };
        assert_eq!(answer(KeyExchange::Any), Ok(()));
        assert!(matches!(answer(KeyExchange::PostQuantum), Err(Error::PeerIncompatible(_))));
    }
    let web = |exchange| web_server_config(Arc::new(WebIdentity::default()), exchange).unwrap();
    let groups = |config: ServerConfig| config.crypto_provider().kx_groups.len();
    assert_eq!(groups(web(KeyExchange::PostQuantum)), 2);
    assert!(groups(web(KeyExchange::Any)) > 2);
}
