//! A bundle endpoint of another trust domain, good or bad.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use steeple_crypto::bundle::to_document;
use steeple_crypto::keys::{KeyType, PrivateKey, SignatureAlgorithm};
use steeple_crypto::tls::{KeyExchange, TlsSource, certified_key, server_config};
use steeple_crypto::x509::{CertificateTemplate, Name, Purpose};
use steeple_types::{
    Bundle, EndpointProfile, FederationRelationship, JwtAuthority, SpiffeId, TrustDomain, X509Authority,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The trust domain of the peer.
pub(crate) const PEER: &str = "other.example";

/// An X.509 authority of `other.example`.
pub(crate) struct Authority {
    key: PrivateKey,
    pub(crate) certificate: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::of(PEER)
    }

    /// One that names `trust_domain`.
    pub(crate) fn of(trust_domain: &str) -> Self {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap();
        let certificate = certificate(&key, &key, Purpose::Ca, &format!("spiffe://{trust_domain}"));
        Self { key, certificate }
    }

    fn identity(&self, id: &str) -> Arc<rustls::sign::CertifiedKey> {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap();
        let leaf = certificate(&key, &self.key, Purpose::Leaf, id);
        certified_key(&[leaf], &key.to_pkcs8().unwrap()).unwrap()
    }
}

fn certificate(key: &PrivateKey, issuer: &PrivateKey, purpose: Purpose, uri: &str) -> Vec<u8> {
    let template = CertificateTemplate {
        serial: &[1],
        issuer: &Name::of("US", "PEER CA").to_der(),
        subject: &Name::of("US", if purpose == Purpose::Ca { "PEER CA" } else { "PEER" }),
        not_before: "2025-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2030-01-01T00:00:00Z".parse().unwrap(),
        public_key: key.public_key(),
        authority_key_id: &[],
        purpose,
        uris: &[uri.to_owned()],
        dns_names: &[],
        signature: SignatureAlgorithm::EcdsaSha256,
    };
    template.encode().sign(issuer).unwrap()
}

/// The bundle of `other.example` with these authorities and a JWT authority.
pub(crate) fn bundle(authorities: &[&Authority], sequence_number: u64) -> Bundle {
    let x509 = |authority: &&Authority| X509Authority { certificate: authority.certificate.clone(), tainted: false };
    let jwt_key = PrivateKey::generate(KeyType::EcP256).unwrap();
    let jwt = JwtAuthority {
        key_id: "jwt".to_owned(),
        public_key: jwt_key.public_key().spki().to_vec(),
        expires_at: None,
        tainted: false,
    };
    Bundle {
        trust_domain: domain(PEER),
        x509_authorities: authorities.iter().map(x509).collect(),
        jwt_authorities: vec![jwt],
        refresh_hint: 300,
        sequence_number,
    }
}

pub(crate) fn domain(name: &str) -> TrustDomain {
    TrustDomain::from_name(name).unwrap()
}

/// What the endpoint answers.
#[derive(Clone)]
pub(crate) enum Answer {
    /// This document.
    Document(String),
    /// These bytes, over and over again.
    Endless(String),
    /// The beginning of an answer, and no more.
    Silence,
    /// All of it.
    Text(String),
}

impl Answer {
    pub(crate) fn bundle(bundle: &Bundle) -> Self {
        Self::Document(to_document(bundle).unwrap())
    }

    pub(crate) fn status(line: &str, headers: &str, body: &str) -> Self {
        Self::Text(format!("HTTP/1.1 {line}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()))
    }
}

/// The endpoint, which shows an X.509-SVID of `spiffe://other.example/endpoint`.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) authority: Authority,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

struct Shared {
    answer: Mutex<Answer>,
    identity: Mutex<Arc<rustls::sign::CertifiedKey>>,
    /// How often it was asked.
    asked: watch::Sender<usize>,
    /// How often a client hung up before it had its answer.
    left: watch::Sender<usize>,
}

impl TlsSource for Shared {
    fn identity(&self) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.identity.lock()))
    }

    fn authorities(&self, _trust_domain: &TrustDomain) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

impl Peer {
    /// An endpoint that answers with a bundle of its authority, sequence number 1.
    pub(crate) async fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let authority = Authority::new();
        let shared = Arc::new(Shared {
            answer: Mutex::new(Answer::bundle(&bundle(&[&authority], 1))),
            identity: Mutex::new(authority.identity(&format!("spiffe://{PEER}/endpoint"))),
            asked: watch::Sender::new(0),
            left: watch::Sender::new(0),
        });
        let source: Arc<Shared> = Arc::clone(&shared);
        let mut config = server_config(source, Arc::new(|_: &SpiffeId| false), KeyExchange::Any).unwrap();
        config.alpn_protocols.clear();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let mut serving = JoinSet::new();
        let served = Arc::clone(&shared);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(serve(acceptor.clone(), socket, Arc::clone(&served)));
            }
        });
        Self { address, authority, shared, _serving: serving }
    }

    pub(crate) fn answers(&self, answer: Answer) {
        *self.shared.answer.lock() = answer;
    }

    /// Shows another X.509-SVID of its authority, or of `authority`.
    pub(crate) fn shows(&self, id: &str, authority: Option<&Authority>) {
        *self.shared.identity.lock() = authority.unwrap_or(&self.authority).identity(id);
    }

    pub(crate) fn asked(&self) -> usize {
        *self.shared.asked.borrow()
    }

    /// Waits until it was asked so often.
    pub(crate) async fn was_asked(&self, times: usize) {
        self.shared.asked.subscribe().wait_for(|asked| *asked >= times).await.unwrap();
    }

    /// Waits until so many clients have hung up on its silence.
    pub(crate) async fn was_left(&self, times: usize) {
        self.shared.left.subscribe().wait_for(|left| *left >= times).await.unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}/bundle", self.address)
    }

    /// The relationship that a server has with it.
    pub(crate) fn relationship(&self) -> FederationRelationship {
        let endpoint_spiffe_id = SpiffeId::parse(&format!("spiffe://{PEER}/endpoint")).unwrap();
        let profile = EndpointProfile::HttpsSpiffe { endpoint_spiffe_id };
        FederationRelationship { trust_domain: domain(PEER), bundle_endpoint_url: self.url(), profile }
    }
}

async fn serve(acceptor: TlsAcceptor, socket: TcpStream, shared: Arc<Shared>) {
    // A client that does not believe breaks off.
    if let Ok(stream) = acceptor.accept(socket).await {
        let _broken_off = answer(stream, &shared).await;
    }
}

async fn answer(mut stream: TlsStream<TcpStream>, shared: &Shared) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let answer = shared.answer.lock().clone();
    shared.asked.send_modify(|asked| *asked += 1);
    match answer {
        Answer::Document(document) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", document.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(document.as_bytes()).await?;
        }
        Answer::Endless(text) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(text.as_bytes()).await?;
            }
        }
        Answer::Silence => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{").await?;
            stream.flush().await?;
            while stream.read_u8().await.is_ok() {}
            shared.left.send_modify(|left| *left += 1);
        }
        Answer::Text(text) => stream.write_all(text.as_bytes()).await?,
    }
    stream.shutdown().await
}
