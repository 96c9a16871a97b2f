//! Ed25519 (RFC 8032), with which checkpoints of the audit trail are signed.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use super::{KeyError, PublicKey, SignatureAlgorithm};

/// A private key. It has no `Debug` and no `Clone`; its memory is wiped when it goes.
pub struct Ed25519Key(Ed25519KeyPair);

impl Ed25519Key {
    /// Makes a key.
    ///
    /// # Errors
    /// [`KeyError::Failed`] when the system has no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        Ed25519KeyPair::generate().map(Self).map_err(|_| KeyError::Failed("key generation failed".to_owned()))
    }

    /// Reads a key in PKCS#8 DER (RFC 8410, section 7).
    ///
    /// # Errors
    /// [`KeyError::Unusable`] for anything else.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der);
        pair.map(Self).map_err(|_| KeyError::Unusable("not an Ed25519 key in PKCS#8"))
    }

    /// The key in PKCS#8 DER.
    ///
    /// # Errors
    /// [`KeyError::Failed`] when the crypto library can't encode it.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let der: Pkcs8V1Der<'_> =
            self.0.as_der().map_err(|_| KeyError::Failed("the key can't be encoded".to_owned()))?;
        Ok(Zeroizing::new(der.as_ref().to_vec()))
    }

    /// The public half, 32 bytes.
    pub fn public_key(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        bytes
    }

    /// The signature of a message, 64 bytes.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

/// Checks a signature by the public half of a key, 32 bytes.
///
/// # Errors
/// [`KeyError`] when the key is none, or the signature is not its.
pub fn verify_ed25519(public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
    if public_key.len() != 32 {
        return Err(KeyError::Unusable("an Ed25519 key has 32 bytes"));
    }
    PublicKey::from_ed25519(public_key)?.verify(SignatureAlgorithm::Ed25519, message, signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_verified_by_the_public_half_alone() {
        let key = Ed25519Key::generate().unwrap();
        let again = Ed25519Key::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
        let signature = again.sign(b"message");
        verify_ed25519(&key.public_key(), b"message", &signature).unwrap();
        assert!(verify_ed25519(&key.public_key(), b"massage", &signature).is_err());
        assert!(verify_ed25519(&Ed25519Key::generate().unwrap().public_key(), b"message", &signature).is_err());
        assert!(verify_ed25519(&[0; 31], b"message", &signature).is_err());
    }
}
