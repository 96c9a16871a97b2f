//! The connection to the server.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use steeple_client::{DialError, connect_server};
use steeple_crypto::tls::{KeyExchange, ServerVerification, TlsSource};
use steeple_types::TrustDomain;
use tonic::transport::Channel;

use crate::identity::{AgentTls, Anonymous};
use crate::settings::Settings;

/// Longest one call may take.
pub(crate) const CALL_DEADLINE: Duration = Duration::from_secs(30);

/// The server, reached by mTLS. A channel is made when one is needed, and dropped when the agent's SVID changes.
pub(crate) struct ServerConnection {
    host: String,
    port: u16,
    trust_domain: TrustDomain,
    tls: Arc<AgentTls>,
    exchange: KeyExchange,
    channel: Mutex<Option<Channel>>,
}

impl ServerConnection {
    pub(crate) fn new(settings: &Settings, tls: Arc<AgentTls>) -> Self {
        let Settings { server_address, server_port, trust_domain, key_exchange, .. } = settings;
        let (host, port, trust_domain, exchange) =
            (server_address.clone(), *server_port, trust_domain.clone(), *key_exchange);
        Self { host, port, trust_domain, tls, exchange, channel: Mutex::new(None) }
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
        connect_server(&self.host, self.port, source, verification, self.exchange).map_err(|error| error.to_string())
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
