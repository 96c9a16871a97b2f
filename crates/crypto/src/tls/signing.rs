//! TLS by a key that a key manager holds.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use rustls::sign::{CertifiedKey, Signer as TlsSigner, SigningKey};
use rustls::{Error, SignatureScheme};
use rustls_pki_types::CertificateDer;

use crate::keys::{PublicKeyKind, SignatureAlgorithm, Signer};

/// A certificate chain (DER, leaf first) with the key behind `signer`, ready to present.
///
/// A handshake can't wait, so the signer must be one that answers at once, as keys in this process do.
pub fn certified_key_of_signer(chain: &[Vec<u8>], signer: Arc<dyn Signer>) -> Arc<CertifiedKey> {
    let chain = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    Arc::new(CertifiedKey::new(chain, Arc::new(Held(signer))))
}

struct Held(Arc<dyn Signer>);

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

impl SigningKey for Held {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn TlsSigner>> {
        let schemes: &[(SignatureScheme, SignatureAlgorithm)] = match self.0.public_key().kind() {
            PublicKeyKind::EcP256 => &[(SignatureScheme::ECDSA_NISTP256_SHA256, SignatureAlgorithm::EcdsaSha256)],
            PublicKeyKind::EcP384 => &[(SignatureScheme::ECDSA_NISTP384_SHA384, SignatureAlgorithm::EcdsaSha384)],
            PublicKeyKind::Rsa { .. } => &[
                (SignatureScheme::RSA_PSS_SHA256, SignatureAlgorithm::RsaPssSha256),
                (SignatureScheme::RSA_PKCS1_SHA256, SignatureAlgorithm::RsaPkcs1Sha256),
            ],
            _ => &[],
        };
        let (scheme, algorithm) = schemes.iter().find(|(scheme, _)| offered.contains(scheme))?;
        Some(Box::new(Signing { signer: Arc::clone(&self.0), scheme: *scheme, algorithm: *algorithm }))
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        match self.0.public_key().kind() {
            PublicKeyKind::Rsa { .. } => rustls::SignatureAlgorithm::RSA,
            _ => rustls::SignatureAlgorithm::ECDSA,
        }
    }
}

struct Signing {
    signer: Arc<dyn Signer>,
    scheme: SignatureScheme,
    algorithm: SignatureAlgorithm,
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signing({:?})", self.scheme)
    }
}

impl TlsSigner for Signing {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signed = self.signer.sign(self.algorithm, message).now_or_never();
        let signed = signed.ok_or_else(|| Error::General("key can't sign at once".to_owned()))?;
        signed.map_err(|error| Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}
