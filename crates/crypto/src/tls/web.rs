//! HTTPS for parties that have no SVID.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::Error;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::{certified_key, provider};
use crate::keys::KeyError;

/// The certificate that an HTTPS server presents, which may change between handshakes. Without one they are refused.
#[derive(Clone, Default)]
pub struct WebIdentity(Arc<RwLock<Option<Arc<CertifiedKey>>>>);

impl WebIdentity {
    /// Presents this chain (DER, leaf first) and its key from now on.
    ///
    /// # Errors
    /// [`KeyError`] when the key is of no use; what was presented before stays.
    pub fn present(&self, chain: &[Vec<u8>], pkcs8: &Zeroizing<Vec<u8>>) -> Result<(), KeyError> {
        let key = certified_key(chain, pkcs8)?;
        *self.0.write() = Some(key);
        Ok(())
    }
}

impl fmt::Debug for WebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebIdentity")
    }
}

impl ResolvesServerCert for WebIdentity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().clone()
    }
}

/// Settings of an HTTPS server that asks nobody for a certificate: TLS 1.2 and up, ALPN `http/1.1`, no session tickets.
///
/// # Errors
/// [`Error`] when the crypto provider lacks what is needed.
pub fn web_server_config(identity: WebIdentity) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(identity));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
