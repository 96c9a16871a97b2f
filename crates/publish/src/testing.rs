//! Bundles for tests.

use async_trait::async_trait;
use parking_lot::Mutex;
use steeple_crypto::keys::{KeyType, PrivateKey, SignatureAlgorithm};
use steeple_crypto::x509::{CertificateTemplate, Name, Purpose};
use steeple_plugin::{ErrorClass, IdentityProvider, PluginError};
use steeple_types::{Bundle, JwtAuthority, X509Authority};

/// A bundle of `x509` authorities and one JWT authority.
pub(crate) fn bundle(x509: usize) -> Bundle {
    let mut bundle = Bundle::empty("example.org".parse().unwrap());
    bundle.x509_authorities = (0..x509).map(|_| authority()).collect();
    let key = PrivateKey::generate(KeyType::EcP256).unwrap();
    let public_key = key.public_key().spki().to_vec();
    bundle.jwt_authorities.push(JwtAuthority { key_id: "k1".into(), public_key, expires_at: None, tainted: false });
    bundle.sequence_number = 7;
    bundle.refresh_hint = 300;
    bundle
}

fn authority() -> X509Authority {
    let (key, name) = (PrivateKey::generate(KeyType::EcP256).unwrap(), Name::of("US", "SPIFFE"));
    let template = CertificateTemplate {
        serial: &[1],
        issuer: &name.to_der(),
        subject: &name,
        not_before: jiff::Timestamp::UNIX_EPOCH,
        not_after: "2060-01-01T00:00:00Z".parse().unwrap(),
        public_key: key.public_key(),
        authority_key_id: &[],
        purpose: Purpose::Ca,
        uris: &["spiffe://example.org".to_owned()],
        dns_names: &[],
        signature: SignatureAlgorithm::EcdsaSha256,
    };
    X509Authority { certificate: template.encode().sign(&key).unwrap(), tainted: false }
}

/// A datastore that has one bundle.
pub(crate) struct Identity(pub(crate) Mutex<Option<Bundle>>);

impl Identity {
    pub(crate) fn of(bundle: &Bundle) -> Self {
        Self(Mutex::new(Some(bundle.clone())))
    }

    pub(crate) fn set(&self, bundle: &Bundle) {
        *self.0.lock() = Some(bundle.clone());
    }
}

#[async_trait]
impl IdentityProvider for Identity {
    async fn bundle(&self) -> Result<Bundle, PluginError> {
        let missing = || PluginError::new("hostservice", "identityprovider", ErrorClass::Unavailable, "no bundle");
        self.0.lock().clone().ok_or_else(missing)
    }
}
