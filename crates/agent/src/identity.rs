//! The agent's own X.509-SVID, and what TLS to the server follows.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::RwLock;
use rustls::sign::CertifiedKey;
use steeple_clock::Clock;
use steeple_crypto::keys::Signer;
use steeple_crypto::tls::{TlsSource, certified_key_of_signer};
use steeple_crypto::x509::Certificate;
use steeple_types::{Bundle, SpiffeId, TrustDomain};

use crate::svid::Rotation;

/// The agent's X.509-SVID with its key.
pub(crate) struct AgentSvid {
    pub(crate) id: SpiffeId,
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) reattestable: bool,
    pub(crate) key_id: String,
    key: Arc<CertifiedKey>,
}

impl AgentSvid {
    /// An SVID of `chain` (DER, leaf first) with the key `key_id` behind `signer`; `None` if the two don't belong together.
    pub(crate) fn new(
        chain: Vec<Vec<u8>>,
        signer: Arc<dyn Signer>,
        key_id: String,
        reattestable: bool,
    ) -> Option<Self> {
        let certificates: Vec<Certificate> =
            chain.iter().map(|der| Certificate::from_der(der)).collect::<Result<_, _>>().ok()?;
        let leaf = certificates.first()?;
        if leaf.public_key() != signer.public_key() {
            return None;
        }
        let id = leaf.spiffe_id().ok()?;
        let key = certified_key_of_signer(&chain, signer);
        Some(Self { id, chain, certificates, reattestable, key_id, key })
    }

    pub(crate) fn not_after(&self) -> Timestamp {
        self.certificates.first().map_or(Timestamp::UNIX_EPOCH, Certificate::not_after)
    }

    /// Whether it is to be renewed; see [`Rotation::is_due`].
    pub(crate) fn is_due(&self, rotation: Rotation, now: Timestamp, random: f64) -> bool {
        self.certificates.first().is_none_or(|leaf| rotation.is_due(leaf.not_before(), leaf.not_after(), now, random))
    }
}

/// What TLS to the server follows: who the agent is and whom it believes.
pub(crate) struct AgentTls {
    pub(crate) svid: RwLock<Option<Arc<AgentSvid>>>,
    pub(crate) bundle: RwLock<Bundle>,
    pub(crate) clock: Clock,
}

impl AgentTls {
    pub(crate) fn new(bundle: Bundle, clock: Clock) -> Self {
        Self { svid: RwLock::new(None), bundle: RwLock::new(bundle), clock }
    }

    pub(crate) fn svid(&self) -> Option<Arc<AgentSvid>> {
        self.svid.read().clone()
    }
}

impl TlsSource for AgentTls {
    fn identity(&self) -> Option<Arc<CertifiedKey>> {
        self.svid.read().as_ref().map(|svid| Arc::clone(&svid.key))
    }

    fn authorities(&self, trust_domain: &TrustDomain) -> Vec<Vec<u8>> {
        let bundle = self.bundle.read();
        if bundle.trust_domain != *trust_domain {
            return Vec::new();
        }
        bundle.x509_authorities.iter().map(|authority| authority.certificate.clone()).collect()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// The same without an identity, for calls of who has none that the server would take.
pub(crate) struct Anonymous(pub(crate) Arc<AgentTls>);

impl TlsSource for Anonymous {
    fn identity(&self) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn authorities(&self, trust_domain: &TrustDomain) -> Vec<Vec<u8>> {
        self.0.authorities(trust_domain)
    }

    fn now(&self) -> Timestamp {
        self.0.now()
    }
}
