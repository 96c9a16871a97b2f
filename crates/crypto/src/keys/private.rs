//! Private keys in this process.

use async_trait::async_trait;
use aws_lc_rs::digest::{Digest, SHA384};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair, RsaEncoding};
use zeroize::Zeroizing;

use super::{KeyError, KeyType, PublicKey, PublicKeyKind, SignatureAlgorithm, Signer};

/// A private key. It has no `Debug` and no `Clone`; its memory is wiped when it goes.
pub struct PrivateKey {
    public: PublicKey,
    pair: Pair,
}

enum Pair {
    P256 { pair: EcdsaKeyPair, pkcs8: Zeroizing<Vec<u8>> },
    P384 { pair: EcdsaKeyPair, pkcs8: Zeroizing<Vec<u8>> },
    Rsa(RsaKeyPair),
}

impl PrivateKey {
    /// Makes a key.
    ///
    /// # Errors
    /// [`KeyError::Failed`] when the crypto library or the system's randomness fails.
    pub fn generate(kind: KeyType) -> Result<Self, KeyError> {
        match kind {
            KeyType::EcP256 => Self::generate_ec(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
            KeyType::EcP384 => Self::generate_ec(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
            KeyType::Rsa2048 => Self::generate_rsa(KeySize::Rsa2048),
            KeyType::Rsa4096 => Self::generate_rsa(KeySize::Rsa4096),
        }
    }

    fn generate_ec(algorithm: &'static EcdsaSigningAlgorithm) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(algorithm).map_err(|_| failed("key generation failed"))?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| failed("key can't be encoded"))?;
        Self::from_pkcs8(pkcs8.as_ref())
    }

    fn generate_rsa(size: KeySize) -> Result<Self, KeyError> {
        let pair = RsaKeyPair::generate(size).map_err(|_| failed("key generation failed"))?;
        Ok(Self { public: PublicKey::from_rsa(pair.public_key().as_ref())?, pair: Pair::Rsa(pair) })
    }

    /// Reads a key of P-256, P-384 or RSA in PKCS#8 DER.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] for anything else.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let pkcs8 = Zeroizing::new(der.to_vec());
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, der) {
            let public = PublicKey::from_point(PublicKeyKind::EcP256, pair.public_key().as_ref())?;
            return Ok(Self { public, pair: Pair::P256 { pair, pkcs8 } });
        }
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P384_SHA384_ASN1_SIGNING, der) {
            let public = PublicKey::from_point(PublicKeyKind::EcP384, pair.public_key().as_ref())?;
            return Ok(Self { public, pair: Pair::P384 { pair, pkcs8 } });
        }
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
            return Ok(Self { public: PublicKey::from_rsa(pair.public_key().as_ref())?, pair: Pair::Rsa(pair) });
        }
        Err(KeyError::Unusable("not a P-256, P-384 or RSA key in PKCS#8"))
    }

    /// Reads a key in any of the forms of `PRIVATE KEY`, `EC PRIVATE KEY` and `RSA PRIVATE KEY` PEM blocks.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] when no such block is there or its key is of another kind.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let blocks = crate::pem::parse(text).map_err(|_| KeyError::Unusable("malformed PEM"))?;
        let block = blocks
            .iter()
            .find(|block| block.label.ends_with("PRIVATE KEY"))
            .ok_or(KeyError::Unusable("no private key in the PEM"))?;
        match block.label.as_str() {
            "EC PRIVATE KEY" => Self::from_sec1(&block.der),
            "RSA PRIVATE KEY" => {
                let pair = RsaKeyPair::from_der(&block.der).map_err(|_| KeyError::Unusable("malformed RSA key"))?;
                Ok(Self { public: PublicKey::from_rsa(pair.public_key().as_ref())?, pair: Pair::Rsa(pair) })
            }
            _ => Self::from_pkcs8(&block.der),
        }
    }

    fn from_sec1(der: &[u8]) -> Result<Self, KeyError> {
        for algorithm in [&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &signature::ECDSA_P384_SHA384_ASN1_SIGNING] {
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(algorithm, der) {
                let pkcs8 = pair.to_pkcs8v1().map_err(|_| failed("key can't be encoded"))?;
                return Self::from_pkcs8(pkcs8.as_ref());
            }
        }
        Err(KeyError::Unusable("not a P-256 or P-384 key in SEC 1"))
    }

    /// The key in PKCS#8 DER.
    ///
    /// # Errors
    /// [`KeyError::Failed`] when the crypto library can't encode it.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match &self.pair {
            Pair::P256 { pkcs8, .. } | Pair::P384 { pkcs8, .. } => Ok(pkcs8.clone()),
            Pair::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| failed("key can't be encoded"))?;
                Ok(Zeroizing::new(der.as_ref().to_vec()))
            }
        }
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message`.
    ///
    /// # Errors
    /// [`KeyError::WrongAlgorithm`], or [`KeyError::Failed`] when the crypto library fails.
    pub fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match (&self.pair, algorithm) {
            (Pair::P256 { pair, .. }, SignatureAlgorithm::EcdsaSha256)
            | (Pair::P384 { pair, .. }, SignatureAlgorithm::EcdsaSha384) => sign_ec(pair, &random, message),
            (Pair::P384 { pair, .. }, SignatureAlgorithm::EcdsaSha256) => sign_short_digest(pair, message),
            (Pair::P256 { .. } | Pair::P384 { .. }, _) => Err(KeyError::WrongAlgorithm { kind: "EC", algorithm }),
            (Pair::Rsa(pair), _) => {
                let encoding = rsa_encoding(algorithm).ok_or(KeyError::WrongAlgorithm { kind: "RSA", algorithm })?;
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut out).map_err(|_| failed("signing failed"))?;
                Ok(out)
            }
        }
    }
}

fn sign_ec(pair: &EcdsaKeyPair, random: &SystemRandom, message: &[u8]) -> Result<Vec<u8>, KeyError> {
    pair.sign(random, message).map(|signature| signature.as_ref().to_vec()).map_err(|_| failed("signing failed"))
}

/// SHA-256 under a P-384 key, which the library has no name for: ECDSA reads the digest as a number (FIPS 186-5, 6.4.1), so
/// a digest with leading zeros signs the same.
fn sign_short_digest(pair: &EcdsaKeyPair, message: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut padded = vec![0; 16];
    padded.extend_from_slice(&crate::digest::sha256(message));
    let digest = Digest::import_less_safe(&padded, &SHA384).map_err(|_| failed("digest of wrong length"))?;
    pair.sign_digest(&digest).map(|signature| signature.as_ref().to_vec()).map_err(|_| failed("signing failed"))
}

fn rsa_encoding(algorithm: SignatureAlgorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        SignatureAlgorithm::RsaPkcs1Sha256 => &signature::RSA_PKCS1_SHA256,
        SignatureAlgorithm::RsaPkcs1Sha384 => &signature::RSA_PKCS1_SHA384,
        SignatureAlgorithm::RsaPkcs1Sha512 => &signature::RSA_PKCS1_SHA512,
        SignatureAlgorithm::RsaPssSha256 => &signature::RSA_PSS_SHA256,
        SignatureAlgorithm::RsaPssSha384 => &signature::RSA_PSS_SHA384,
        SignatureAlgorithm::RsaPssSha512 => &signature::RSA_PSS_SHA512,
        _ => return None,
    })
}

fn failed(what: &str) -> KeyError {
    KeyError::Failed(what.to_owned())
}

/// Signs with a key in this process.
pub struct LocalSigner(pub PrivateKey);

#[async_trait]
impl Signer for LocalSigner {
    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    async fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.0.sign(algorithm, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_signs_verifies_and_survives_pkcs8() {
        for kind in [KeyType::EcP256, KeyType::EcP384, KeyType::Rsa2048] {
            let key = PrivateKey::generate(kind).unwrap();
            let again = PrivateKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
            assert_eq!(key.public_key(), again.public_key());
            let algorithm = key.public_key().certificate_signature().unwrap();
            let signature = again.sign(algorithm, b"message").unwrap();
            key.public_key().verify(algorithm, b"message", &signature).unwrap();
            assert_eq!(key.public_key().verify(algorithm, b"massage", &signature), Err(KeyError::BadSignature));
        }
    }

    #[test]
    fn p384_signs_sha256_too() {
        let key = PrivateKey::generate(KeyType::EcP384).unwrap();
        let signature = key.sign(SignatureAlgorithm::EcdsaSha256, b"message").unwrap();
        key.public_key().verify(SignatureAlgorithm::EcdsaSha256, b"message", &signature).unwrap();
    }

    #[test]
    fn pss_is_verified_whatever_its_salt() {
        let key = PrivateKey::generate(KeyType::Rsa2048).unwrap();
        let signature = key.sign(SignatureAlgorithm::RsaPssSha256, b"message").unwrap();
        key.public_key().verify_pss_any_salt(b"message", &signature).unwrap();
        assert!(key.public_key().verify_pss_any_salt(b"other", &signature).is_err());
        assert!(key.public_key().verify_pss_any_salt(b"message", &signature[1..]).is_err());
    }
}
