//! Certificates as they are kept.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use steeple_crypto::keys::{KeyError, Signer};
use steeple_crypto::pem;
use steeple_crypto::tls::certified_key_of_signer;
use steeple_crypto::x509::Certificate;
use zeroize::Zeroizing;

use crate::cache::Cache;
use crate::keys::Keys;

/// A certificate that can be shown.
pub(crate) struct Kept {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) leaf: Certificate,
    pub(crate) key: Arc<dyn Signer>,
}

/// Why a chain can't be shown for a domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnfitError {
    /// There is no certificate, or none that can be read.
    #[error("acme/autocert: no public key found")]
    NoCertificate,
    /// It begins later.
    #[error("acme/autocert: certificate is not valid yet")]
    NotYet,
    /// It is over.
    #[error("acme/autocert: expired certificate")]
    Expired,
    /// It is for others.
    #[error("certificate is valid for {names}, not {domain}")]
    OtherName {
        /// Those for whom it is.
        names: String,
        /// For whom it should be.
        domain: String,
    },
    /// It is of another key.
    #[error("acme/autocert: private key does not match public key")]
    OtherKey,
}

impl Kept {
    /// A chain (DER, leaf first) of `key`, if it holds for `domain` at `now`.
    pub(crate) fn of(
        domain: &str,
        chain: &[Vec<u8>],
        key: Arc<dyn Signer>,
        now: Timestamp,
    ) -> Result<Self, UnfitError> {
        let leaf = chain.first().ok_or(UnfitError::NoCertificate)?;
        let leaf = Certificate::from_der(leaf).map_err(|_| UnfitError::NoCertificate)?;
        if now < leaf.not_before() {
            return Err(UnfitError::NotYet);
        }
        if now > leaf.not_after() {
            return Err(UnfitError::Expired);
        }
        if !leaf.dns_names().iter().any(|name| name.eq_ignore_ascii_case(domain)) {
            return Err(UnfitError::OtherName { names: leaf.dns_names().join(", "), domain: domain.to_owned() });
        }
        if leaf.public_key() != key.public_key() {
            return Err(UnfitError::OtherKey);
        }
        Ok(Self { certified: certified_key_of_signer(chain, Arc::clone(&key)), leaf, key })
    }
}

/// What is kept for `domain`; what does not hold is as good as nothing, as in autocert.
pub(crate) async fn load(
    cache: &Cache,
    keys: &dyn Keys,
    domain: &str,
    now: Timestamp,
) -> Result<Option<Kept>, LoadError> {
    let Some(text) = cache.read(domain).map_err(LoadError::Cache)? else { return Ok(None) };
    let Some(key) = keys.key(domain).await? else { return Ok(None) };
    let chain = pem::certificates(&text).unwrap_or_default();
    Ok(Kept::of(domain, &chain, key, now).ok())
}

/// Why it is not known what is kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{}", steeple_config::os_text(.0))]
    Cache(io::Error),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Keeps a chain for `domain`. A key that stands in the file stays there.
pub(crate) fn save(cache: &Cache, domain: &str, chain: &[Vec<u8>]) -> io::Result<()> {
    let before = cache.read(domain)?.unwrap_or_default();
    let mut text = Zeroizing::new(String::new());
    for block in pem::parse(&before).unwrap_or_default() {
        if block.label.ends_with("PRIVATE KEY") {
            text.push_str(&Zeroizing::new(pem::encode(&block.label, &block.der)));
        }
    }
    for certificate in chain {
        text.push_str(&pem::encode("CERTIFICATE", certificate));
    }
    cache.write(domain, &text)
}
