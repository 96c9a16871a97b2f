//! Writing certificates. Extensions stand in the order in which Go's `x509.CreateCertificate` writes them.

use jiff::Timestamp;

use super::{Name, X509Error, oid, time};
use crate::der::{Writer, tag};
use crate::keys::{KeyError, PrivateKey, PublicKey, SignatureAlgorithm};
use crate::random;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A signing certificate: signs certificates and CRLs (X.509-SVID, section 4).
    Ca,
    /// A leaf: TLS as client and server.
    Leaf,
}

/// All of a certificate but its signature.
#[derive(Clone, Debug)]
pub struct CertificateTemplate<'a> {
    /// Magnitude of the serial number.
    pub serial: &'a [u8],
    /// Issuer's name in DER.
    pub issuer: &'a [u8],
    /// Whom it is for.
    pub subject: &'a Name,
    /// Begin of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// The key that it is about.
    pub public_key: &'a PublicKey,
    /// Subject key identifier of the issuer; empty for a self-signed certificate.
    pub authority_key_id: &'a [u8],
    /// What it is for.
    pub purpose: Purpose,
    /// URI SANs.
    pub uris: &'a [String],
    /// DNS SANs.
    pub dns_names: &'a [String],
    /// How it will be signed.
    pub signature: SignatureAlgorithm,
}

/// A certificate that waits for its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    to_be_signed: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

impl Unsigned {
    /// The bytes that the issuer signs.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }

    /// How the issuer signs them.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The certificate, signed by a key in this process.
    ///
    /// # Errors
    /// [`KeyError`] when the key can't sign in the way that the template says.
    pub fn sign(self, key: &PrivateKey) -> Result<Vec<u8>, KeyError> {
        let signature = key.sign(self.algorithm, &self.to_be_signed)?;
        Ok(self.finish(&signature))
    }

    /// The certificate, with its signature.
    pub fn finish(self, signature: &[u8]) -> Vec<u8> {
        signed(&self.to_be_signed, self.algorithm, signature)
    }
}

impl CertificateTemplate<'_> {
    /// Encodes what is to be signed.
    pub fn encode(&self) -> Unsigned {
        let mut writer = Writer::with_capacity(640);
        writer.sequence(|w| {
            w.constructed(tag::context(0), |w| w.unsigned(&[2]));
            w.unsigned(self.serial);
            algorithm(w, self.signature);
            w.raw(self.issuer);
            w.sequence(|w| {
                time::write(w, self.not_before);
                time::write(w, self.not_after);
            });
            self.subject.write(w);
            w.raw(self.public_key.spki());
            w.constructed(tag::context(3), |w| w.sequence(|w| self.extensions(w)));
        });
        Unsigned { to_be_signed: writer.into_bytes(), algorithm: self.signature }
    }

    fn extensions(&self, writer: &mut Writer) {
        // keyUsage: bit 0 is the highest. CA: keyCertSign, cRLSign. Leaf: digitalSignature, keyEncipherment, keyAgreement.
        let usage: [u8; 2] = match self.purpose {
            Purpose::Ca => [1, 0b0000_0110],
            Purpose::Leaf => [3, 0b1010_1000],
        };
        extension(writer, oid::KEY_USAGE, true, |w| w.value(tag::BIT_STRING, &usage));
        if self.purpose != Purpose::Ca {
            extension(writer, oid::EXT_KEY_USAGE, false, |w| {
                w.sequence(|w| {
                    w.oid(oid::SERVER_AUTH);
                    w.oid(oid::CLIENT_AUTH);
                });
            });
        }
        extension(writer, oid::BASIC_CONSTRAINTS, true, |w| {
            w.sequence(|w| {
                if self.purpose == Purpose::Ca {
                    w.value(tag::BOOLEAN, &[0xff]);
                }
            });
        });
        let key_id = self.public_key.subject_key_id();
        extension(writer, oid::SUBJECT_KEY_ID, false, |w| w.value(tag::OCTET_STRING, &key_id));
        if !self.authority_key_id.is_empty() {
            extension(writer, oid::AUTHORITY_KEY_ID, false, |w| {
                w.sequence(|w| w.value(tag::implicit(0), self.authority_key_id));
            });
        }
        if !self.uris.is_empty() || !self.dns_names.is_empty() {
            subject_alt_name(writer, self.uris, self.dns_names, self.subject.is_empty());
        }
    }
}

/// A serial number as SPIRE draws them: 1 to 2^128 − 1, as a magnitude of 16 bytes.
///
/// # Errors
/// [`X509Error::Random`].
pub fn random_serial() -> Result<[u8; 16], X509Error> {
    loop {
        let serial = random::bytes::<16>()?;
        if serial != [0; 16] {
            return Ok(serial);
        }
    }
}

/// subjectAltName, critical when the subject is empty; DNS names come first, as in Go.
pub(super) fn subject_alt_name(writer: &mut Writer, uris: &[String], dns_names: &[String], critical: bool) {
    extension(writer, oid::SUBJECT_ALT_NAME, critical, |w| {
        w.sequence(|w| {
            for name in dns_names {
                w.value(tag::implicit(2), name.as_bytes());
            }
            for uri in uris {
                w.value(tag::implicit(6), uri.as_bytes());
            }
        });
    });
}

pub(super) fn signed(to_be_signed: &[u8], signature_algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(to_be_signed.len() + signature.len() + 32);
    writer.sequence(|w| {
        w.raw(to_be_signed);
        algorithm(w, signature_algorithm);
        w.bit_string(signature);
    });
    writer.into_bytes()
}

pub(super) fn algorithm(writer: &mut Writer, algorithm: SignatureAlgorithm) {
    use SignatureAlgorithm as A;
    let (name, has_null) = match algorithm {
        A::EcdsaSha256 => (oid::ECDSA_SHA256, false),
        A::EcdsaSha384 => (oid::ECDSA_SHA384, false),
        A::EcdsaSha512 => (oid::ECDSA_SHA512, false),
        // Certificates are not signed with PSS here; its parameters would have to be written too.
        A::RsaPkcs1Sha256 | A::RsaPssSha256 => (oid::RSA_SHA256, true),
        A::RsaPkcs1Sha384 | A::RsaPssSha384 => (oid::RSA_SHA384, true),
        A::RsaPkcs1Sha512 | A::RsaPssSha512 => (oid::RSA_SHA512, true),
        A::Ed25519 => (oid::ED25519, false),
    };
    writer.sequence(|w| {
        w.oid(name);
        if has_null {
            w.value(tag::NULL, &[]);
        }
    });
}

pub(super) fn extension(writer: &mut Writer, kind: &[u8], critical: bool, fill: impl FnOnce(&mut Writer)) {
    writer.sequence(|w| {
        w.oid(kind);
        if critical {
            w.value(tag::BOOLEAN, &[0xff]);
        }
        w.constructed(tag::OCTET_STRING, fill);
    });
}

#[cfg(test)]
mod tests {
    use super::super::{Certificate, Csr, self_signed_csr};
    use super::*;
    use crate::keys::{KeyType, PrivateKey};

    #[test]
    fn certificate_and_request_are_read_as_written() {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap();
        let (uris, dns) = (vec!["spiffe://example.org/a".to_owned()], vec!["a.example.org".to_owned()]);
        let csr = Csr::from_der(&self_signed_csr(&key, &Name::default(), &uris, &dns).unwrap()).unwrap();
        csr.verify_signature().unwrap();
        assert_eq!((csr.uris(), csr.dns_names()), (uris.as_slice(), dns.as_slice()));

        let subject = Name::of("US", "SPIRE");
        let template = CertificateTemplate {
            serial: &[0xff; 16],
            issuer: &subject.to_der(),
            subject: &subject,
            not_before: Timestamp::UNIX_EPOCH,
            not_after: "2060-01-01T00:00:00Z".parse().unwrap(),
            public_key: csr.public_key(),
            authority_key_id: &[9; 20],
            purpose: Purpose::Leaf,
            uris: &uris,
            dns_names: &dns,
            signature: SignatureAlgorithm::EcdsaSha256,
        };
        let certificate = Certificate::from_der(&template.encode().sign(&key).unwrap()).unwrap();
        assert_eq!(certificate.serial_decimal(), "340282366920938463463374607431768211455");
        assert_eq!(certificate.spiffe_id().unwrap().as_str(), "spiffe://example.org/a");
        assert_eq!(certificate.dns_names(), dns);
        assert_eq!(certificate.authority_key_id(), [9; 20]);
        assert_eq!(certificate.subject(), &subject);
        assert!(!certificate.is_ca() && certificate.may_sign_digitally());
    }

    #[test]
    fn request_signed_by_another_key_is_refused() {
        let (key, other) =
            (PrivateKey::generate(KeyType::EcP256).unwrap(), PrivateKey::generate(KeyType::EcP256).unwrap());
        let body = csr_body(&key);
        let signature = other.sign(SignatureAlgorithm::EcdsaSha256, &body).unwrap();
        let csr = Csr::from_der(&signed(&body, SignatureAlgorithm::EcdsaSha256, &signature)).unwrap();
        assert!(csr.verify_signature().is_err());
    }

    fn csr_body(key: &PrivateKey) -> Vec<u8> {
        super::super::csr_to_be_signed(&Name::default(), key.public_key(), &[], &[])
    }
}
