//! Reading certificates (RFC 5280, section 4.1).

use std::net::IpAddr;

use jiff::Timestamp;
use num_bigint::BigUint;
use steeple_types::SpiffeId;

use super::csr::signature_algorithm;
use super::{Name, X509Error, malformed, oid, time};
use crate::der::{DerError, Reader, tag};
use crate::digest;
use crate::keys::PublicKey;

/// Largest certificate read, in bytes.
const MAX_LENGTH: usize = 64 << 10;

/// A certificate, read but not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    serial: Vec<u8>,
    subject: Name,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
    public_key: PublicKey,
    /// Certificates of versions 1 and 2 can't say whether they are a CA's.
    tells_constraints: bool,
    extensions: Extensions,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Extensions {
    subject_key_id: Vec<u8>,
    authority_key_id: Vec<u8>,
    uris: Vec<String>,
    dns_names: Vec<String>,
    addresses: Vec<IpAddr>,
    is_ca: bool,
    /// Bits of the first byte of keyUsage: digitalSignature is the highest.
    key_usage: Option<u8>,
}

impl Certificate {
    /// Reads one certificate from DER.
    ///
    /// # Errors
    /// [`X509Error`] when it is malformed or larger than 64 KiB.
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        if der.len() > MAX_LENGTH {
            return Err(X509Error::Unacceptable("certificate is larger than 64 KiB"));
        }
        let fields = Fields::read(der).map_err(malformed("certificate"))?;
        Ok(Self {
            der: der.to_vec(),
            serial: fields.serial.to_vec(),
            subject: Name::read(Reader::single(fields.subject, tag::SEQUENCE).map_err(malformed("certificate"))?)
                .map_err(malformed("certificate"))?,
            subject_der: fields.subject.to_vec(),
            issuer_der: fields.issuer.to_vec(),
            not_before: fields.not_before,
            not_after: fields.not_after,
            public_key: PublicKey::of_certificate(fields.spki)?,
            tells_constraints: fields.extensions.is_some(),
            extensions: fields.extensions.unwrap_or_default(),
        })
    }

    /// Reads certificates that follow one another.
    ///
    /// # Errors
    /// [`X509Error`] when one of them is malformed or bytes are left over.
    pub fn many_from_der(der: &[u8]) -> Result<Vec<Self>, X509Error> {
        let mut reader = Reader::new(der);
        let mut all = Vec::new();
        while !reader.is_empty() {
            all.push(Self::from_der(reader.value().map_err(malformed("certificate"))?.whole)?);
        }
        Ok(all)
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The serial number as decimal text, as SPIRE stores it.
    pub fn serial_decimal(&self) -> String {
        BigUint::from_bytes_be(&self.serial).to_string()
    }

    /// The serial number in lower-case hexadecimal digits, an even number of them.
    pub fn serial_hex(&self) -> String {
        hex::encode(&self.serial)
    }

    /// Whom the certificate is for.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The subject as it was encoded.
    pub fn subject_der(&self) -> &[u8] {
        &self.subject_der
    }

    /// When the certificate begins to hold.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// When the certificate ceases to hold.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The key that the certificate is about.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The subject key identifier, empty when there is none.
    pub fn subject_key_id(&self) -> &[u8] {
        &self.extensions.subject_key_id
    }

    /// The authority key identifier, empty when there is none.
    pub fn authority_key_id(&self) -> &[u8] {
        &self.extensions.authority_key_id
    }

    /// The URI SANs in order.
    pub fn uris(&self) -> &[String] {
        &self.extensions.uris
    }

    /// The DNS SANs in order.
    pub fn dns_names(&self) -> &[String] {
        &self.extensions.dns_names
    }

    /// The IP SANs in order.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.extensions.addresses
    }

    /// Whether the basic constraints say CA.
    pub fn is_ca(&self) -> bool {
        self.extensions.is_ca
    }

    /// Whether the key usage names digital signatures.
    pub fn may_sign_digitally(&self) -> bool {
        self.extensions.key_usage.is_some_and(|bits| bits & 0x80 != 0)
    }

    /// Whether subject and issuer are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.subject_der == self.issuer_der
    }

    /// Whether `issuer` is the CA that signed this certificate. Nobody's validity is looked at.
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        let (named, own) = (self.authority_key_id(), issuer.subject_key_id());
        (issuer.is_ca() || !issuer.tells_constraints)
            && self.issuer_der == issuer.subject_der
            && (named.is_empty() || own.is_empty() || named == own)
            && self.is_signed_with(&issuer.public_key).unwrap_or(false)
    }

    /// Whether the signature is by `key`; `false` also for algorithms that this product does not know.
    fn is_signed_with(&self, key: &PublicKey) -> Result<bool, DerError> {
        let mut certificate = Reader::single(&self.der, tag::SEQUENCE)?;
        let to_be_signed = certificate.expect(tag::SEQUENCE)?.whole;
        let algorithm = signature_algorithm(certificate.expect(tag::SEQUENCE)?.content)?;
        let signature = certificate.bit_string()?;
        Ok(algorithm.is_some_and(|algorithm| key.verify(algorithm, to_be_signed, signature).is_ok()))
    }

    /// SHA-1 of the DER in hexadecimal digits, the fingerprint in IDs and selectors.
    pub fn fingerprint(&self) -> String {
        hex::encode(digest::sha1(&self.der))
    }

    /// The SPIFFE ID, if the certificate has exactly one URI SAN and that is one (X.509-SVID, section 2).
    ///
    /// # Errors
    /// [`X509Error::Unacceptable`].
    pub fn spiffe_id(&self) -> Result<SpiffeId, X509Error> {
        match self.uris() {
            [uri] => SpiffeId::parse(uri).map_err(|_| X509Error::Unacceptable("URI SAN is not a SPIFFE ID")),
            [] => Err(X509Error::Unacceptable("certificate contains no URI SAN")),
            _ => Err(X509Error::Unacceptable("certificate contains more than one URI SAN")),
        }
    }
}

struct Fields<'a> {
    serial: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    not_before: Timestamp,
    not_after: Timestamp,
    spki: &'a [u8],
    /// Of version 3 only.
    extensions: Option<Extensions>,
}

impl<'a> Fields<'a> {
    fn read(der: &'a [u8]) -> Result<Self, DerError> {
        let mut certificate = Reader::single(der, tag::SEQUENCE)?;
        let mut tbs = certificate.constructed(tag::SEQUENCE)?;
        certificate.expect(tag::SEQUENCE)?;
        certificate.bit_string()?;
        certificate.end()?;

        let version = match tbs.optional(tag::context(0))? {
            Some(value) => Version::read(Reader::new(value.content))?,
            None => Version::One,
        };
        let serial = tbs.unsigned()?;
        tbs.expect(tag::SEQUENCE)?;
        let issuer = tbs.expect(tag::SEQUENCE)?.whole;
        let mut validity = tbs.constructed(tag::SEQUENCE)?;
        let (not_before, not_after) = (time::read(&mut validity)?, time::read(&mut validity)?);
        validity.end()?;
        let subject = tbs.expect(tag::SEQUENCE)?.whole;
        let spki = tbs.expect(tag::SEQUENCE)?.whole;
        if version != Version::One {
            tbs.optional(tag::implicit(1))?;
            tbs.optional(tag::implicit(2))?;
        }
        let extensions = match version {
            Version::Three => Some(match tbs.optional(tag::context(3))? {
                Some(value) => Extensions::read(Reader::single(value.content, tag::SEQUENCE)?)?,
                None => Extensions::default(),
            }),
            Version::One | Version::Two => None,
        };
        tbs.end()?;
        Ok(Self { serial, issuer, subject, not_before, not_after, spki, extensions })
    }
}

/// Version of a certificate: roots of old are of the first one, and some of them are trusted still.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
    Three,
}

impl Version {
    fn read(mut content: Reader<'_>) -> Result<Self, DerError> {
        let version = match content.unsigned()? {
            [0] => Self::One,
            [1] => Self::Two,
            [2] => Self::Three,
            _ => return Err(DerError::Value),
        };
        content.end()?;
        Ok(version)
    }
}

impl Extensions {
    fn read(mut list: Reader<'_>) -> Result<Self, DerError> {
        let mut found = Self::default();
        let mut seen: Vec<&[u8]> = Vec::new();
        while !list.is_empty() {
            let mut extension = list.constructed(tag::SEQUENCE)?;
            let kind = extension.expect(tag::OID)?.content;
            if extension.peek() == Some(tag::BOOLEAN) {
                extension.boolean()?;
            }
            let content = extension.expect(tag::OCTET_STRING)?.content;
            extension.end()?;
            // RFC 5280, section 4.2: at most one of each.
            if seen.contains(&kind) {
                return Err(DerError::Value);
            }
            seen.push(kind);
            found.take(kind, content)?;
        }
        Ok(found)
    }

    fn take(&mut self, kind: &[u8], content: &[u8]) -> Result<(), DerError> {
        if kind == oid::SUBJECT_KEY_ID {
            let mut reader = Reader::new(content);
            self.subject_key_id = reader.expect(tag::OCTET_STRING)?.content.to_vec();
        } else if kind == oid::AUTHORITY_KEY_ID {
            let mut reader = Reader::single(content, tag::SEQUENCE)?;
            if let Some(id) = reader.optional(tag::implicit(0))? {
                self.authority_key_id = id.content.to_vec();
            }
        } else if kind == oid::BASIC_CONSTRAINTS {
            let mut reader = Reader::single(content, tag::SEQUENCE)?;
            self.is_ca = reader.peek() == Some(tag::BOOLEAN) && reader.boolean()?;
        } else if kind == oid::KEY_USAGE {
            let mut reader = Reader::new(content);
            self.key_usage = reader.expect(tag::BIT_STRING)?.content.get(1).copied();
        } else if kind == oid::SUBJECT_ALT_NAME {
            let names = GeneralNames::read(content)?;
            (self.uris, self.dns_names, self.addresses) = (names.uris, names.dns_names, names.addresses);
        }
        Ok(())
    }
}

/// The names of a subjectAltName that this product looks at.
#[derive(Default)]
pub(super) struct GeneralNames {
    pub(super) uris: Vec<String>,
    pub(super) dns_names: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
}

impl GeneralNames {
    pub(super) fn read(content: &[u8]) -> Result<Self, DerError> {
        let mut reader = Reader::single(content, tag::SEQUENCE)?;
        let mut names = Self::default();
        while !reader.is_empty() {
            let value = reader.value()?;
            match value.tag {
                0x82 => names.dns_names.push(ascii(value.content)?),
                0x86 => names.uris.push(ascii(value.content)?),
                0x87 => names.addresses.push(address(value.content)?),
                _ => {}
            }
        }
        Ok(names)
    }
}

fn ascii(bytes: &[u8]) -> Result<String, DerError> {
    if !bytes.is_ascii() {
        return Err(DerError::Value);
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| DerError::Value)
}

fn address(bytes: &[u8]) -> Result<IpAddr, DerError> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Ok(v4.into());
    }
    <[u8; 16]>::try_from(bytes).map(Into::into).map_err(|_| DerError::Value)
}

#[cfg(test)]
mod tests;
