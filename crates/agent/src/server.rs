//! The connection to the server.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls_pki_types::ServerName;
use steeple_client::DialError;
use steeple_crypto::tls::{ServerVerification, TlsSource, client_config};
use steeple_types::TrustDomain;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::identity::{AgentTls, Anonymous};

/// Longest one call may take.
pub(crate) const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// Longest a connection may take to be made.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// The server, reached by mTLS. A channel is made when one is needed, and dropped when the agent's SVID changes.
pub(crate) struct ServerConnection {
    host: String,
    port: u16,
    trust_domain: TrustDomain,
    tls: Arc<AgentTls>,
    channel: Mutex<Option<Channel>>,
}

impl ServerConnection {
    pub(crate) fn new(host: String, port: u16, trust_domain: TrustDomain, tls: Arc<AgentTls>) -> Self {
        Self { host, port, trust_domain, tls, channel: Mutex::new(None) }
    }

    /// A channel on which the server must show its SPIFFE ID.
    pub(crate) fn channel(&self) -> Result<Channel, String> {
        let mut slot = self.channel.lock();
        if let Some(channel) = slot.as_ref() {
            return Ok(channel.clone());
        }
        let channel = self.connect(self.tls.clone(), ServerVerification::Id(self.trust_domain.server_id()))?;
        Ok(slot.insert(channel).clone())
    }

    /// A channel on which the agent shows no SVID, to attest.
    pub(crate) fn anonymous(&self) -> Result<Channel, String> {
        let source = Arc::new(Anonymous(Arc::clone(&self.tls)));
        self.connect(source, ServerVerification::Id(self.trust_domain.server_id()))
    }

    /// A channel on which the server is not verified, for bootstrapping without trust.
    pub(crate) fn unverified(&self) -> Result<Channel, String> {
        let source = Arc::new(Anonymous(Arc::clone(&self.tls)));
        self.connect(source, ServerVerification::Insecure(Arc::new(|_| {})))
    }

    /// Forgets the channel, so that the next one shows the agent's current SVID.
    pub(crate) fn renew(&self) {
        *self.channel.lock() = None;
    }

    fn connect(&self, source: Arc<dyn TlsSource>, verification: ServerVerification) -> Result<Channel, String> {
        let config = client_config(source, verification).map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(Arc::new(config));
        let (host, port) = (self.host.clone(), self.port);
        let name = ServerName::try_from("spire-server").map_err(|error| error.to_string())?;
        let dial = service_fn(move |_| {
            let (connector, host, name) = (connector.clone(), host.clone(), name.clone());
            async move {
                let unreached = |error| DialError::dial("tcp", format_args!("{host}:{port}"), &error);
                let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(unreached)?;
                tcp.set_nodelay(true).map_err(unreached)?;
                let tls = connector.connect(name, tcp).await.map_err(|error| DialError::handshake(&error))?;
                Ok::<_, DialError>(TokioIo::new(tls))
            }
        });
        let endpoint = Endpoint::from_static("https://spire-server")
            .connect_timeout(CONNECT_DEADLINE)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20));
        Ok(endpoint.connect_with_connector_lazy(dial))
    }
}

/// Whether a call failed since the server showed a certificate of an authority that is not known here.
pub(crate) fn is_unknown_authority(status: &tonic::Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.downcast_ref::<DialError>().is_some_and(DialError::is_unknown_authority) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// A failed call as Go's clients print it, with all of its causes.
pub(crate) fn described(status: &tonic::Status) -> String {
    format!("rpc error: code = {} desc = {}", steeple_client::code_of(status.code()), with_causes(status))
}

/// An error with all of its causes, which tonic hides.
pub(crate) fn with_causes(status: &tonic::Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let next = error.to_string();
        // tonic's own word tells nothing beside what it wraps.
        if next != "transport error" && !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
