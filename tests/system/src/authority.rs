//! A certificate authority that signs what a test wants, good or bad.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::pem;
use steeple_crypto::x509::{CertificateTemplate, Name, Purpose, random_serial};

/// The authority.
pub struct Authority {
    key: PrivateKey,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
}

/// A certificate and its key.
pub struct Leaf {
    /// DER.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: PrivateKey,
}

/// What a certificate says, and until when: so long from now.
struct Content<'a> {
    purpose: Purpose,
    uris: &'a [&'a str],
    dns_names: &'a [&'a str],
    remaining: SignedDuration,
}

impl Authority {
    /// A new one for `trust_domain`, which nobody trusts yet.
    ///
    /// # Errors
    /// When the key can't be made.
    pub fn new(trust_domain: &str) -> Result<Self> {
        let key = PrivateKey::generate(KeyType::EcP256)?;
        let id = format!("spiffe://{trust_domain}");
        let remaining = SignedDuration::from_hours(48);
        let content = Content { purpose: Purpose::Ca, uris: &[&id], dns_names: &[], remaining };
        let certificate = sign(&key, &key, &content)?;
        Ok(Self { key, certificate })
    }

    /// A leaf with these names that is valid for `remaining` from now on, or no more.
    ///
    /// # Errors
    /// When it can't be signed.
    pub fn leaf(&self, uris: &[&str], dns_names: &[&str], remaining: SignedDuration) -> Result<Leaf> {
        let key = PrivateKey::generate(KeyType::EcP256)?;
        let content = Content { purpose: Purpose::Leaf, uris, dns_names, remaining };
        let certificate = sign(&key, &self.key, &content)?;
        Ok(Leaf { certificate, key })
    }

    /// Its certificate in PEM.
    pub fn certificate_pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.certificate)
    }

    /// Its key in PEM.
    ///
    /// # Errors
    /// When the key can't be written.
    pub fn key_pem(&self) -> Result<String> {
        Ok(pem::encode("PRIVATE KEY", &self.key.to_pkcs8()?))
    }
}

fn sign(key: &PrivateKey, issuer: &PrivateKey, content: &Content<'_>) -> Result<Vec<u8>> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let not_after = Timestamp::now() + content.remaining;
    let template = CertificateTemplate {
        serial: &random_serial()?,
        issuer: &Name::of("US", "TEST CA").to_der(),
        subject: &Name::of("US", if content.purpose == Purpose::Ca { "TEST CA" } else { "LEAF" }),
        not_before: not_after - SignedDuration::from_hours(72),
        not_after,
        public_key: key.public_key(),
        authority_key_id: &[],
        purpose: content.purpose,
        uris: &owned(content.uris),
        dns_names: &owned(content.dns_names),
        signature: issuer.public_key().certificate_signature()?,
    };
    Ok(template.encode().sign(issuer)?)
}
