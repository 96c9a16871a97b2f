//! Agents that only call: they join by a token like any other, then ask for SVIDs with requests made beforehand.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use rustls_pki_types::ServerName;
use steeple_client::connect_unix;
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::tls::{KeyExchange, ServerVerification, TlsSource, certified_key, client_config};
use steeple_crypto::x509::{Name, self_signed_csr};
use steeple_proto::spire::api::server::agent::v1 as agent;
use steeple_proto::spire::api::server::agent::v1::agent_client::AgentClient;
use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;
use steeple_proto::spire::api::server::entry::v1::BatchCreateEntryRequest;
use steeple_proto::spire::api::server::entry::v1::entry_client::EntryClient;
use steeple_proto::spire::api::types;
use steeple_tests_interop::{Server, TRUST_DOMAIN};
use steeple_types::TrustDomain;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// The alias of all callers, parent of the entries that they may ask for.
pub(crate) const GROUP: &str = "callers";

/// What a party of TLS shows and believes.
struct Identity {
    own: Option<Arc<CertifiedKey>>,
    authorities: Vec<Vec<u8>>,
}

impl TlsSource for Identity {
    fn identity(&self) -> Option<Arc<CertifiedKey>> {
        self.own.clone()
    }

    fn authorities(&self, _trust_domain: &TrustDomain) -> Vec<Vec<u8>> {
        self.authorities.clone()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// An agent that has joined.
pub(crate) struct Caller {
    port: u16,
    identity: Arc<Identity>,
}

impl Caller {
    /// Joins by a token of its own, as one of [`GROUP`].
    pub(crate) async fn join(server: &Server) -> Result<Self> {
        let admin = connect_unix(server.socket());
        let request = agent::CreateJoinTokenRequest { ttl: 600, token: String::new(), agent_id: Some(id(GROUP)) };
        let token = AgentClient::new(admin.clone()).create_join_token(request).await?.into_inner().value;
        let bundle = BundleClient::new(admin).get_bundle(GetBundleRequest::default()).await?.into_inner();
        let authorities = bundle.x509_authorities.into_iter().map(|authority| authority.asn1).collect();
        let identity = Arc::new(Identity { own: None, authorities });
        let stranger = Self { port: server.port(), identity };
        let key = PrivateKey::generate(KeyType::EcP256)?;
        let chain = attest(stranger.channel()?, token, csr(&key)?).await?;
        let own = Some(certified_key(&chain, &key.to_pkcs8()?)?);
        let authorities = stranger.identity.authorities.clone();
        Ok(Self { identity: Arc::new(Identity { own, authorities }), ..stranger })
    }

    /// A channel of its own connection.
    pub(crate) fn channel(&self) -> Result<Channel> {
        let server = ServerVerification::Id(TrustDomain::from_name(TRUST_DOMAIN)?.server_id());
        let source: Arc<Identity> = Arc::clone(&self.identity);
        let connector = TlsConnector::from(Arc::new(client_config(source, server, KeyExchange::Any)?));
        let (port, name) = (self.port, ServerName::try_from("server")?);
        let dial = service_fn(move |_| {
            let (connector, name) = (connector.clone(), name.clone());
            async move {
                let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
                tcp.set_nodelay(true)?;
                Ok::<_, io::Error>(TokioIo::new(connector.connect(name, tcp).await?))
            }
        });
        Ok(Endpoint::from_static("https://server").connect_with_connector_lazy(dial))
    }
}

/// A certificate request of a key.
pub(crate) fn csr(key: &PrivateKey) -> Result<Vec<u8>> {
    Ok(self_signed_csr(key, &Name::of("US", "SPIRE"), &[], &[])?)
}

/// Creates `count` entries below [`GROUP`]; returns their ids.
pub(crate) async fn entries(server: &Server, count: usize) -> Result<Vec<String>> {
    let entry = |number: usize| types::Entry {
        parent_id: Some(id(GROUP)),
        spiffe_id: Some(id(&format!("workload/{number}"))),
        selectors: vec![types::Selector { r#type: "unix".into(), value: format!("uid:{number}") }],
        ..Default::default()
    };
    let request = BatchCreateEntryRequest { entries: (0..count).map(entry).collect(), output_mask: None };
    let answer = EntryClient::new(connect_unix(server.socket())).batch_create_entry(request).await?.into_inner();
    let ids = answer.results.into_iter().map(|result| result.entry.map(|entry| entry.id));
    ids.collect::<Option<_>>().context("an entry was refused")
}

fn id(path: &str) -> types::Spiffeid {
    types::Spiffeid { trust_domain: TRUST_DOMAIN.into(), path: format!("/{path}") }
}

async fn attest(channel: Channel, token: String, csr: Vec<u8>) -> Result<Vec<Vec<u8>>> {
    let data = types::AttestationData { r#type: "join_token".into(), payload: token.into_bytes() };
    let params =
        agent::attest_agent_request::Params { data: Some(data), params: Some(agent::AgentX509svidParams { csr }) };
    let first = agent::AttestAgentRequest { step: Some(agent::attest_agent_request::Step::Params(params)) };
    let answers = AgentClient::new(channel).attest_agent(tokio_stream::iter([first])).await?;
    match answers.into_inner().message().await?.and_then(|answer| answer.step) {
        Some(agent::attest_agent_response::Step::Result(result)) => {
            Ok(result.svid.context("attested without an SVID")?.cert_chain)
        }
        other => bail!("attestation was answered by {other:?}"),
    }
}

/// Calls until it is answered well: entries take their time to be known.
pub(crate) async fn answered(call: &mut impl AsyncFnMut() -> Result<()>) -> Result<()> {
    for _ in 0..300 {
        if call().await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    call().await
}
