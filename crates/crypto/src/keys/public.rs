//! Public keys.

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

use super::{KeyError, SignatureAlgorithm};
use crate::der::{DerError, Reader, Writer, tag};
use crate::digest;
use crate::x509::oid;

/// What kind of key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublicKeyKind {
    /// ECDSA on P-224, with which nothing is verified here.
    EcP224,
    /// ECDSA on P-256.
    EcP256,
    /// ECDSA on P-384.
    EcP384,
    /// ECDSA on P-521.
    EcP521,
    /// RSA with a modulus of so many bits.
    Rsa {
        /// Bits of the modulus.
        bits: usize,
    },
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// Anything else; only certificates may have such keys, and nothing is verified with them.
    Other,
}

/// A public key: PKIX DER (RFC 5280, SubjectPublicKeyInfo).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey {
    kind: PublicKeyKind,
    spki: Vec<u8>,
    /// Where the content of the BIT STRING begins: an uncompressed point, or an RSAPublicKey.
    bits_at: usize,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo: P-224, P-256, P-384, P-521 (uncompressed points), Ed25519, or RSA of at most 8192 bits.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] for other or malformed keys.
    pub fn from_spki(spki: &[u8]) -> Result<Self, KeyError> {
        let key = Self::of_certificate(spki)?;
        if key.kind == PublicKeyKind::Other {
            return Err(KeyError::Unusable("it must be of an elliptic curve, Ed25519 or RSA of at most 8192 bits"));
        }
        Ok(key)
    }

    /// Reads the key of a certificate, of any kind: a root whose key is unknown here must be passed on to those who know it.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] for malformed keys of a known kind, and those on unknown curves, as in Go.
    pub(crate) fn of_certificate(spki: &[u8]) -> Result<Self, KeyError> {
        let (kind, bits) = parse(spki).map_err(|_| KeyError::Unusable("malformed public key"))?;
        let kind = kind.ok_or(KeyError::Unusable("unknown curve, or no uncompressed point of it"))?;
        Ok(Self { kind, spki: spki.to_vec(), bits_at: spki.len() - bits.len() })
    }

    /// Builds an Ed25519 key (RFC 8410, section 4).
    pub(crate) fn from_ed25519(bits: &[u8]) -> Result<Self, KeyError> {
        let mut writer = Writer::with_capacity(48);
        writer.sequence(|w| {
            w.sequence(|w| w.oid(oid::ED25519));
            w.bit_string(bits);
        });
        Self::from_spki(&writer.into_bytes())
    }

    /// Builds the key of an uncompressed point on a curve.
    pub(crate) fn from_point(kind: PublicKeyKind, point: &[u8]) -> Result<Self, KeyError> {
        let curve = match kind {
            PublicKeyKind::EcP256 => oid::P256,
            PublicKeyKind::EcP384 => oid::P384,
            PublicKeyKind::EcP521 => oid::P521,
            _ => return Err(KeyError::Unusable("not a curve of JSON Web Keys")),
        };
        let mut writer = Writer::with_capacity(160);
        writer.sequence(|w| {
            w.sequence(|w| {
                w.oid(oid::EC_PUBLIC_KEY);
                w.oid(curve);
            });
            w.bit_string(point);
        });
        Self::from_spki(&writer.into_bytes())
    }

    /// Builds the key of an RSAPublicKey (RFC 8017, A.1.1).
    pub(crate) fn from_rsa(rsa_public_key: &[u8]) -> Result<Self, KeyError> {
        let mut writer = Writer::with_capacity(600);
        writer.sequence(|w| {
            w.sequence(|w| {
                w.oid(oid::RSA_ENCRYPTION);
                w.value(tag::NULL, &[]);
            });
            w.bit_string(rsa_public_key);
        });
        Self::from_spki(&writer.into_bytes())
    }

    /// What kind of key it is.
    pub fn kind(&self) -> PublicKeyKind {
        self.kind
    }

    /// PKIX DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The bits of the key itself: an uncompressed point, an RSAPublicKey, or the 32 bytes of Ed25519.
    pub fn bits(&self) -> &[u8] {
        self.spki.get(self.bits_at..).unwrap_or_default()
    }

    /// The subject key identifier: SHA-1 of the key's bits (RFC 5280, 4.2.1.2, method 1).
    pub fn subject_key_id(&self) -> [u8; 20] {
        digest::sha1(self.bits())
    }

    /// SHA-256 of the PKIX DER in hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        hex::encode(digest::sha256(&self.spki))
    }

    /// The modulus and exponent of an RSA key.
    pub fn rsa_numbers(&self) -> Option<(&[u8], &[u8])> {
        if !matches!(self.kind, PublicKeyKind::Rsa { .. }) {
            return None;
        }
        let mut reader = Reader::single(self.bits(), tag::SEQUENCE).ok()?;
        Some((reader.unsigned().ok()?, reader.unsigned().ok()?))
    }

    /// Checks a signature over `message`.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`], also when the algorithm does not fit the key.
    pub fn verify(&self, algorithm: SignatureAlgorithm, message: &[u8], sig: &[u8]) -> Result<(), KeyError> {
        let algorithm = verifier(self.kind, algorithm).ok_or(KeyError::BadSignature)?;
        UnparsedPublicKey::new(algorithm, self.bits()).verify(message, sig).map_err(|_| KeyError::BadSignature)
    }

    /// Checks an RSASSA-PSS signature over SHA-256 whose salt may have any length (RFC 8017, 9.1.2), as Go makes them.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    pub fn verify_pss_any_salt(&self, message: &[u8], sig: &[u8]) -> Result<(), KeyError> {
        let (modulus, exponent) = self.rsa_numbers().ok_or(KeyError::BadSignature)?;
        crate::pss::verify(modulus, exponent, message, sig).then_some(()).ok_or(KeyError::BadSignature)
    }
}

fn parse(spki: &[u8]) -> Result<(Option<PublicKeyKind>, &[u8]), DerError> {
    let mut reader = Reader::single(spki, tag::SEQUENCE)?;
    let mut algorithm = reader.constructed(tag::SEQUENCE)?;
    let bits = reader.bit_string()?;
    reader.end()?;
    let name = algorithm.expect(tag::OID)?.content;
    let kind = if name == oid::EC_PUBLIC_KEY {
        ec_kind(algorithm.expect(tag::OID)?.content, bits)
    } else if name == oid::RSA_ENCRYPTION {
        algorithm.optional(tag::NULL)?;
        Some(rsa_kind(bits)?)
    } else if name == oid::ED25519 {
        (bits.len() == 32).then_some(PublicKeyKind::Ed25519)
    } else {
        return Ok((Some(PublicKeyKind::Other), bits));
    };
    algorithm.end()?;
    Ok((kind, bits))
}

fn ec_kind(curve: &[u8], point: &[u8]) -> Option<PublicKeyKind> {
    let (kind, length) = match curve {
        c if c == oid::P224 => (PublicKeyKind::EcP224, 57),
        c if c == oid::P256 => (PublicKeyKind::EcP256, 65),
        c if c == oid::P384 => (PublicKeyKind::EcP384, 97),
        c if c == oid::P521 => (PublicKeyKind::EcP521, 133),
        _ => return None,
    };
    (point.len() == length && point.first() == Some(&4)).then_some(kind)
}

/// Kind of an RSA key; what is too large to be worked with is only passed on.
fn rsa_kind(bits: &[u8]) -> Result<PublicKeyKind, DerError> {
    let mut reader = Reader::single(bits, tag::SEQUENCE)?;
    let (modulus, _exponent) = (reader.unsigned()?, reader.unsigned()?);
    reader.end()?;
    let unused: usize = modulus.first().map_or(0, |byte| byte.leading_zeros().try_into().unwrap_or_default());
    let length = modulus.len() * 8 - unused;
    Ok(if length > 8192 { PublicKeyKind::Other } else { PublicKeyKind::Rsa { bits: length } })
}

fn verifier(kind: PublicKeyKind, algorithm: SignatureAlgorithm) -> Option<&'static dyn VerificationAlgorithm> {
    use PublicKeyKind as K;
    use SignatureAlgorithm as A;
    Some(match (kind, algorithm) {
        (K::EcP256, A::EcdsaSha256) => &signature::ECDSA_P256_SHA256_ASN1,
        (K::EcP256, A::EcdsaSha384) => &signature::ECDSA_P256_SHA384_ASN1,
        (K::EcP256, A::EcdsaSha512) => &signature::ECDSA_P256_SHA512_ASN1,
        (K::EcP384, A::EcdsaSha256) => &signature::ECDSA_P384_SHA256_ASN1,
        (K::EcP384, A::EcdsaSha384) => &signature::ECDSA_P384_SHA384_ASN1,
        (K::EcP384, A::EcdsaSha512) => &signature::ECDSA_P384_SHA512_ASN1,
        (K::EcP521, A::EcdsaSha256) => &signature::ECDSA_P521_SHA256_ASN1,
        (K::EcP521, A::EcdsaSha384) => &signature::ECDSA_P521_SHA384_ASN1,
        (K::EcP521, A::EcdsaSha512) => &signature::ECDSA_P521_SHA512_ASN1,
        (K::Rsa { .. }, A::RsaPkcs1Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
        (K::Rsa { .. }, A::RsaPkcs1Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
        (K::Rsa { .. }, A::RsaPkcs1Sha512) => &signature::RSA_PKCS1_2048_8192_SHA512,
        (K::Rsa { .. }, A::RsaPssSha256) => &signature::RSA_PSS_2048_8192_SHA256,
        (K::Rsa { .. }, A::RsaPssSha384) => &signature::RSA_PSS_2048_8192_SHA384,
        (K::Rsa { .. }, A::RsaPssSha512) => &signature::RSA_PSS_2048_8192_SHA512,
        (K::Ed25519, A::Ed25519) => &signature::ED25519,
        _ => return None,
    })
}
