//! Upstream authorities sign the X.509 CA of a server.

use std::time::Duration;

use async_trait::async_trait;
use steeple_types::{Bundle, JwtAuthority, X509Authority};

use crate::PluginError;

/// A minted X.509 CA.
#[derive(Clone, Debug)]
pub struct MintedX509Ca {
    /// The CA certificate first, then intermediates up to but not including the root; DER each.
    pub chain: Vec<Vec<u8>>,
    /// Roots that the chain leads to, for the bundle.
    pub upstream_roots: Vec<X509Authority>,
}

/// What became of a JWT key that was to be published upstream.
#[derive(Clone, Debug)]
pub enum JwtKeyPublication {
    /// The upstream authority published it; these are all JWT authorities of the trust domain.
    Published(Vec<JwtAuthority>),
    /// The upstream authority does not publish JWT keys; the server publishes it in its own bundle.
    Unsupported,
}

/// Signs X.509 CAs from above.
#[async_trait]
pub trait UpstreamAuthority: Send + Sync {
    /// Name of the plugin, such as `disk`.
    fn name(&self) -> &str;

    /// Signs the CA whose certificate signing request is `csr` (PKCS#10, DER), for about `preferred_ttl`.
    ///
    /// # Errors
    /// [`PluginError`] when the upstream authority refuses or does not answer.
    async fn mint_x509_ca(&self, csr: &[u8], preferred_ttl: Duration) -> Result<MintedX509Ca, PluginError>;

    /// Publishes a JWT key with the upstream authority.
    ///
    /// # Errors
    /// [`PluginError`] when the upstream authority refuses or does not answer.
    async fn publish_jwt_key(&self, key: &JwtAuthority) -> Result<JwtKeyPublication, PluginError>;

    /// The bundle of the trust domain as the upstream authority has it now, with its taints; `None` from one that tells of its
    /// roots only when it signs.
    ///
    /// # Errors
    /// [`PluginError`] when the upstream authority does not answer.
    async fn bundle(&self) -> Result<Option<Bundle>, PluginError>;
}
