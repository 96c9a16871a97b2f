//! `spire`: a server of the same trust domain, to which this one is a downstream server.
//!
//! This server is a workload of the upstream server's trust domain: it shows the X.509-SVID of a Workload API, and its entry there
//! says that it is a downstream server.

mod identity;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use steeple_clock::Clock;
use steeple_crypto::tls::KeyExchange;
use steeple_plugin::{ErrorClass, JwtKeyPublication, MintedX509Ca, PluginError, UpstreamAuthority};
use steeple_types::{Bundle, JwtAuthority, TrustDomain};

use identity::WorkloadIdentity;
use server::UpstreamServer;

const NAME: &str = "spire";

/// What the authority is told by its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpireAuthorityConfig {
    /// Where the upstream server is: a name or an address.
    pub server_address: String,
    /// The port of its API.
    pub server_port: u16,
    /// The socket of the Workload API that gives this server its identity.
    pub workload_api_socket: PathBuf,
    /// How keys are exchanged with the upstream server.
    pub key_exchange: KeyExchange,
}

/// A server above this one.
pub struct SpireAuthority {
    server: UpstreamServer,
}

impl SpireAuthority {
    /// The server that `config` names. Nothing is connected before the first call.
    pub fn new(config: &SpireAuthorityConfig, trust_domain: TrustDomain, clock: Clock) -> Self {
        let identity = WorkloadIdentity::new(&config.workload_api_socket, trust_domain.clone(), clock.clone());
        config.key_exchange.tell();
        Self { server: UpstreamServer::new(config, trust_domain, identity, clock) }
    }
}

fn internal(message: impl Into<String>) -> PluginError {
    PluginError::new("upstreamauthority", NAME, ErrorClass::Internal, message)
}

#[async_trait]
impl UpstreamAuthority for SpireAuthority {
    fn name(&self) -> &str {
        NAME
    }

    async fn mint_x509_ca(&self, csr: &[u8], preferred_ttl: Duration) -> Result<MintedX509Ca, PluginError> {
        let chain = self.server.new_downstream_x509_ca(csr, preferred_ttl).await;
        let chain = chain.map_err(|error| internal(format!("unable to request a new Downstream X509CA: {error}")))?;
        // The answer's own authorities don't tell which of them are tainted.
        let bundle = self.server.bundle().await;
        let bundle =
            bundle.map_err(|error| internal(format!("failed to fetch bundle from upstream server: {error}")))?;
        Ok(MintedX509Ca { chain, upstream_roots: bundle.x509_authorities })
    }

    async fn publish_jwt_key(&self, key: &JwtAuthority) -> Result<JwtKeyPublication, PluginError> {
        let published = self.server.publish_jwt_authority(key).await;
        let all = published.map_err(|error| internal(format!("failed to push JWT authority: {error}")))?;
        Ok(JwtKeyPublication::Published(all))
    }

    async fn bundle(&self) -> Result<Option<Bundle>, PluginError> {
        let bundle = self.server.bundle().await;
        bundle.map(Some).map_err(|error| internal(format!("failed to get bundle: {error}")))
    }
}
