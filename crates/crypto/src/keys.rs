//! Keys and signatures.

mod ed25519;
mod private;
mod public;

use async_trait::async_trait;

pub use ed25519::{Ed25519Key, verify_ed25519};
pub use private::{LocalSigner, PrivateKey};
pub use public::{PublicKey, PublicKeyKind};

/// Kinds of private keys that this product makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// ECDSA on P-256.
    EcP256,
    /// ECDSA on P-384.
    EcP384,
    /// RSA of 2048 bits.
    Rsa2048,
    /// RSA of 4096 bits.
    Rsa4096,
}

impl KeyType {
    /// The name in SPIRE's configuration, such as `ec-p256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::EcP256 => "ec-p256",
            Self::EcP384 => "ec-p384",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa4096 => "rsa-4096",
        }
    }

    /// Reads a name of SPIRE's configuration.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::EcP256, Self::EcP384, Self::Rsa2048, Self::Rsa4096].into_iter().find(|kind| kind.name() == name)
    }
}

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// ECDSA over SHA-256; the signature is DER.
    EcdsaSha256,
    /// ECDSA over SHA-384; the signature is DER.
    EcdsaSha384,
    /// ECDSA over SHA-512; the signature is DER.
    EcdsaSha512,
    /// RSASSA-PKCS1-v1_5 over SHA-256.
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 over SHA-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 over SHA-512.
    RsaPkcs1Sha512,
    /// RSASSA-PSS over SHA-256, salt as long as the digest.
    RsaPssSha256,
    /// RSASSA-PSS over SHA-384, salt as long as the digest.
    RsaPssSha384,
    /// RSASSA-PSS over SHA-512, salt as long as the digest.
    RsaPssSha512,
    /// Ed25519 (RFC 8032), with which no SVID is signed here.
    Ed25519,
}

/// Why a key could not be read, made or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are not a key of a kind that this product knows.
    #[error("unsupported or malformed key: {0}")]
    Unusable(&'static str),
    /// An RSA key has too few bits to trust its signatures.
    #[error("RSA key of {0} bits is too short: it must have 2048 to 8192 bits")]
    TooShort(usize),
    /// The key can't sign in this way.
    #[error("a key of type {kind} can't sign with {algorithm:?}")]
    WrongAlgorithm {
        /// Kind of the key.
        kind: &'static str,
        /// What was asked for.
        algorithm: SignatureAlgorithm,
    },
    /// The crypto library or key manager failed.
    #[error("{0}")]
    Failed(String),
    /// The signature does not fit the key and message.
    #[error("signature verification failed")]
    BadSignature,
}

/// Signs with a private key that may be elsewhere.
#[async_trait]
pub trait Signer: Send + Sync {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// Signs `message`, which is hashed as the algorithm says.
    ///
    /// # Errors
    /// [`KeyError`] when the key can't sign so, or its keeper fails.
    async fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

impl PublicKey {
    /// The algorithm with which certificates are signed by such a key: SHA-384 for P-384, else SHA-256.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] for keys that this product verifies but does not sign with.
    pub fn certificate_signature(&self) -> Result<SignatureAlgorithm, KeyError> {
        match self.kind() {
            PublicKeyKind::EcP256 => Ok(SignatureAlgorithm::EcdsaSha256),
            PublicKeyKind::EcP384 => Ok(SignatureAlgorithm::EcdsaSha384),
            PublicKeyKind::Rsa { .. } => Ok(SignatureAlgorithm::RsaPkcs1Sha256),
            _ => Err(KeyError::Unusable("only P-256, P-384 and RSA keys sign here")),
        }
    }
}
