//! The server's own X.509-SVID, and TLS by it.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::RwLock;
use rustls::sign::CertifiedKey;
use steeple_ca::X509Svid;
use steeple_clock::Clock;
use steeple_crypto::tls::{Greeting, TlsSource, WebCertificates};
use steeple_crypto::verify::leads_to;
use steeple_crypto::x509::Certificate;
use steeple_types::{Bundle, TrustDomain};
use tokio::sync::watch;

/// The server's X.509-SVID with its key, ready for TLS.
pub(crate) struct ServerIdentity {
    pub(crate) svid: X509Svid,
    pub(crate) issued_at: Timestamp,
    pub(crate) key: Arc<CertifiedKey>,
}

impl ServerIdentity {
    /// Whether half of its life is over.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let lifetime = self.svid.expires_at.duration_since(self.issued_at);
        self.svid.expires_at.duration_since(now) <= lifetime / 2
    }

    /// Whether one of `authorities` is at the upper end of its chain.
    pub(crate) fn comes_from(&self, authorities: &[Certificate]) -> bool {
        if authorities.is_empty() {
            return false;
        }
        let chain: Vec<Certificate> =
            self.svid.chain.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
        leads_to(&chain, authorities)
    }
}

/// What TLS on the network listener follows.
pub(crate) struct ServerTls {
    pub(crate) identity: watch::Receiver<Option<Arc<ServerIdentity>>>,
    pub(crate) bundles: Arc<RwLock<Vec<Bundle>>>,
    pub(crate) clock: Clock,
}

impl TlsSource for ServerTls {
    fn identity(&self) -> Option<Arc<CertifiedKey>> {
        self.identity.borrow().as_ref().map(|identity| Arc::clone(&identity.key))
    }

    fn authorities(&self, trust_domain: &TrustDomain) -> Vec<Vec<u8>> {
        let bundles = self.bundles.read();
        let bundle = bundles.iter().find(|bundle| bundle.trust_domain == *trust_domain);
        let authorities = bundle.into_iter().flat_map(|bundle| &bundle.x509_authorities);
        authorities.map(|authority| authority.certificate.clone()).collect()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl WebCertificates for ServerTls {
    fn certificate(&self, _greeting: &Greeting) -> Option<Arc<CertifiedKey>> {
        self.identity()
    }
}
