//! Certificate requests (PKCS#10, RFC 2986).

use super::certificate::GeneralNames;
use super::{Name, X509Error, build, malformed, oid};
use crate::der::{DerError, Reader, Writer, tag};
use crate::keys::{KeyError, PrivateKey, PublicKey, PublicKeyKind, SignatureAlgorithm};

/// Largest request read, in bytes.
const MAX_LENGTH: usize = 64 << 10;
/// Fewest bits of an RSA key that gets a certificate: signatures of shorter ones are not verified.
const MIN_RSA_BITS: usize = 2048;

/// A certificate request, read; whether its signature fits its key is checked by [`Csr::verify_signature`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csr {
    to_be_signed: Vec<u8>,
    algorithm: Option<SignatureAlgorithm>,
    signature: Vec<u8>,
    subject: Name,
    public_key: PublicKey,
    uris: Vec<String>,
    dns_names: Vec<String>,
}

impl Csr {
    /// Reads one request from DER.
    ///
    /// # Errors
    /// [`X509Error`] when it is malformed, larger than 64 KiB, or its key is of a kind that this product does not take.
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        if der.len() > MAX_LENGTH {
            return Err(X509Error::Unacceptable("certificate request is larger than 64 KiB"));
        }
        let error = malformed("certificate request");
        let mut request = Reader::single(der, tag::SEQUENCE).map_err(&error)?;
        let body = request.expect(tag::SEQUENCE).map_err(&error)?;
        let algorithm = request.expect(tag::SEQUENCE).map_err(&error)?.content;
        let signature = request.bit_string().map_err(&error)?.to_vec();
        request.end().map_err(&error)?;
        let (subject, spki, names) = body_fields(body.content).map_err(&error)?;
        let public_key = PublicKey::from_spki(spki)?;
        if let PublicKeyKind::Rsa { bits } = public_key.kind()
            && bits < MIN_RSA_BITS
        {
            return Err(KeyError::TooShort(bits).into());
        }
        Ok(Self {
            to_be_signed: body.whole.to_vec(),
            algorithm: signature_algorithm(algorithm).map_err(&error)?,
            signature,
            subject,
            public_key,
            uris: names.uris,
            dns_names: names.dns_names,
        })
    }

    /// Checks that the request was signed by its own key.
    ///
    /// # Errors
    /// [`X509Error`] when it was not, or by an algorithm that this product does not take.
    pub fn verify_signature(&self) -> Result<(), X509Error> {
        let algorithm = self.algorithm.ok_or(X509Error::Unacceptable("unsupported signature algorithm"))?;
        Ok(self.public_key.verify(algorithm, &self.to_be_signed, &self.signature)?)
    }

    /// Whom the request names.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The key that a certificate is asked for.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The URI SANs asked for.
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    /// The DNS SANs asked for.
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }
}

fn body_fields(content: &[u8]) -> Result<(Name, &[u8], GeneralNames), DerError> {
    let mut body = Reader::new(content);
    if body.unsigned()? != [0] {
        return Err(DerError::Value);
    }
    let subject = Name::read(body.constructed(tag::SEQUENCE)?)?;
    let spki = body.expect(tag::SEQUENCE)?.whole;
    let mut names = GeneralNames::default();
    if let Some(attributes) = body.optional(tag::context(0))? {
        let mut attributes = Reader::new(attributes.content);
        while !attributes.is_empty() {
            let mut attribute = attributes.constructed(tag::SEQUENCE)?;
            let kind = attribute.expect(tag::OID)?.content;
            let values = attribute.expect(tag::SET)?.content;
            attribute.end()?;
            if kind == oid::EXTENSION_REQUEST {
                names = requested_names(values)?;
            }
        }
    }
    body.end()?;
    Ok((subject, spki, names))
}

fn requested_names(values: &[u8]) -> Result<GeneralNames, DerError> {
    let mut extensions = Reader::single(values, tag::SEQUENCE)?;
    let mut names = GeneralNames::default();
    while !extensions.is_empty() {
        let mut extension = extensions.constructed(tag::SEQUENCE)?;
        let kind = extension.expect(tag::OID)?.content;
        if extension.peek() == Some(tag::BOOLEAN) {
            extension.boolean()?;
        }
        let content = extension.expect(tag::OCTET_STRING)?.content;
        extension.end()?;
        if kind == oid::SUBJECT_ALT_NAME {
            names = GeneralNames::read(content)?;
        }
    }
    Ok(names)
}

/// The algorithm that an AlgorithmIdentifier names, if it is known here.
pub(super) fn signature_algorithm(content: &[u8]) -> Result<Option<SignatureAlgorithm>, DerError> {
    let name = Reader::new(content).expect(tag::OID)?.content;
    let known = [
        (oid::ECDSA_SHA256, SignatureAlgorithm::EcdsaSha256),
        (oid::ECDSA_SHA384, SignatureAlgorithm::EcdsaSha384),
        (oid::ECDSA_SHA512, SignatureAlgorithm::EcdsaSha512),
        (oid::RSA_SHA256, SignatureAlgorithm::RsaPkcs1Sha256),
        (oid::RSA_SHA384, SignatureAlgorithm::RsaPkcs1Sha384),
        (oid::RSA_SHA512, SignatureAlgorithm::RsaPkcs1Sha512),
        (oid::ED25519, SignatureAlgorithm::Ed25519),
    ];
    Ok(known.iter().find(|(oid, _)| *oid == name).map(|(_, algorithm)| *algorithm))
}

/// The part of a request that its key signs.
pub fn csr_to_be_signed(subject: &Name, key: &PublicKey, uris: &[String], dns_names: &[String]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(256);
    writer.sequence(|w| {
        w.unsigned(&[0]);
        subject.write(w);
        w.raw(key.spki());
        w.constructed(tag::context(0), |w| {
            if uris.is_empty() && dns_names.is_empty() {
                return;
            }
            w.sequence(|w| {
                w.oid(oid::EXTENSION_REQUEST);
                w.constructed(tag::SET, |w| {
                    w.sequence(|w| build::subject_alt_name(w, uris, dns_names, subject.is_empty()));
                });
            });
        });
    });
    writer.into_bytes()
}

/// Joins the signed part of a request and its signature.
pub fn finish_csr(to_be_signed: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    build::signed(to_be_signed, algorithm, signature)
}

/// A request for a key in this process.
///
/// # Errors
/// [`X509Error::Key`] when the key can't sign.
pub fn self_signed_csr(
    key: &PrivateKey,
    subject: &Name,
    uris: &[String],
    dns_names: &[String],
) -> Result<Vec<u8>, X509Error> {
    let algorithm = key.public_key().certificate_signature()?;
    let to_be_signed = csr_to_be_signed(subject, key.public_key(), uris, dns_names);
    let signature = key.sign(algorithm, &to_be_signed)?;
    Ok(finish_csr(&to_be_signed, algorithm, &signature))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    /// By `openssl req -new -newkey rsa:1024`.
    const RSA_1024: &str = "MIIBPzCBqQIBADAAMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC9ufH/D6G1D6bvVns+hn8z5d9kVUds+7RH4ULIlfa3kZ+OBSwtHIrj1kvWE6UCx4TJcnARMW0TiprM6l2yiaUfDC+5Uj0+ugyXro+mZWUqVxwI0gyIaLryAE0mIs4ULkQTUQIl4LgC1swxT0O9SUUWVVgHI2Lj7A3FEt/KWsjgfwIDAQABoAAwDQYJKoZIhvcNAQELBQADgYEAt10isG2J9OqEQKDGpsWcJawxal1XGKWFXbQHVt2C+yIvOMLc0U3sHqFuBpkTnswu3XYzbdtbjDRTyqRTTVDBZLYXK2uYyHltXiW6nPuSjPLDa/Ax7bL9zycLR/KuvVMeEEW87ht3dr/bBb+IxSNXQ+Qpl44E3AWeN5WsO1FzfkM=";
    /// By `openssl req -new -newkey rsa:512`.
    const RSA_512: &str = "MIG5MGUCAQAwADBcMA0GCSqGSIb3DQEBAQUAA0sAMEgCQQDU4TGjnVtkLqH8WY0sVb9IiKxBYtnYrlAZcfVip+NbIFtaYViQuosAOuTNWWCBHOH8ozOk7I2zV2TaTTU726nLAgMBAAGgADANBgkqhkiG9w0BAQsFAANBAKd36ETLRY/blJKicXKwqLzc8VN6j47gL4jmPxCR/WXiVBawnqc66BuiytgPh8yBryZw1AfgWi0qcUoo8B01btU=";

    #[test]
    fn requests_of_short_rsa_keys_are_told_which_keys_are_taken() {
        let refused = |csr: &str| Csr::from_der(&BASE64_STANDARD.decode(csr).unwrap()).unwrap_err().to_string();
        assert_eq!(refused(RSA_1024), "RSA key of 1024 bits is too short: it must have 2048 to 8192 bits");
        assert_eq!(refused(RSA_512), "RSA key of 512 bits is too short: it must have 2048 to 8192 bits");
    }

    /// By `openssl req -new -newkey ed25519`.
    const ED25519: &str = "MIHFMHkCAQAwDjEMMAoGA1UECgwDY3NyMCowBQYDK2VwAyEABJjXIlDd6bDFgIQpYbbW6vciwZPkSJjUrPCSNla3yp6gODA2BgkqhkiG9w0BCQ4xKTAnMCUGA1UdEQQeMByGGnNwaWZmZTovL2ZvcmVpZ24uZXhhbXBsZS93MAUGAytlcANBAEAVnT39prCahuWFx0r4uWA44wZUl3WZ2KznVngolzo5Nq+HzIFSDx0v3p8FsvKJOJxkp/Ri5NVKPBm/dHJ2sQk=";

    #[test]
    fn requests_of_ed25519_keys_are_verified() {
        let mut der = BASE64_STANDARD.decode(ED25519).unwrap();
        Csr::from_der(&der).unwrap().verify_signature().unwrap();
        *der.last_mut().unwrap() ^= 1;
        assert!(Csr::from_der(&der).unwrap().verify_signature().is_err());
    }
}
