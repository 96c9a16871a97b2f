//! Trust domain names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{IdError, SpiffeId};

/// Longest trust domain name accepted, in bytes (SPIFFE ID standard, section 2.1).
const MAX_LENGTH: usize = 255;

/// Name of a trust domain, such as `example.org` (SPIFFE ID standard, section 2.1).
///
/// Comparing and cloning are cheap; the name is lower case and at most 255 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(Arc<str>);

impl TrustDomain {
    /// Reads a bare name (`example.org`) or the trust domain part of a SPIFFE ID (`spiffe://example.org/any`).
    ///
    /// # Errors
    /// An [`IdError`] with the text of go-spiffe's `TrustDomainFromString` that fits.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.contains(":/") {
            return Ok(SpiffeId::parse(text)?.trust_domain());
        }
        Self::from_name(text)
    }

    /// Reads a bare name.
    ///
    /// # Errors
    /// [`IdError::MissingTrustDomain`] or [`IdError::BadTrustDomainChar`].
    pub fn from_name(name: &str) -> Result<Self, IdError> {
        if name.is_empty() {
            return Err(IdError::MissingTrustDomain);
        }
        if !name.bytes().all(is_trust_domain_byte) {
            return Err(IdError::BadTrustDomainChar);
        }
        if name.len() > MAX_LENGTH {
            return Err(IdError::TrustDomainTooLong);
        }
        Ok(Self(Arc::from(name)))
    }

    /// The bare name, `example.org`.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The SPIFFE ID of the trust domain itself as text, `spiffe://example.org`.
    pub fn id_string(&self) -> String {
        format!("spiffe://{}", self.0)
    }

    /// The SPIFFE ID of the trust domain itself, which has no path.
    pub fn id(&self) -> SpiffeId {
        SpiffeId::of_trust_domain(self)
    }

    /// The SPIFFE ID of the trust domain's servers, `spiffe://<td>/spire/server`.
    pub fn server_id(&self) -> SpiffeId {
        SpiffeId::from_valid_path(self, "/spire/server")
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TrustDomain {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

pub(crate) fn is_trust_domain_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_id_forms_are_read() {
        assert_eq!(TrustDomain::parse("example.org").unwrap().name(), "example.org");
        assert_eq!(TrustDomain::parse("spiffe://example.org/a").unwrap().name(), "example.org");
    }

    #[test]
    fn upper_case_ports_and_emptiness_are_refused() {
        assert_eq!(TrustDomain::parse("Example.org"), Err(IdError::BadTrustDomainChar));
        assert_eq!(TrustDomain::parse("example.org:80"), Err(IdError::BadTrustDomainChar));
        assert_eq!(TrustDomain::parse(""), Err(IdError::MissingTrustDomain));
        assert_eq!(TrustDomain::parse(&"a".repeat(256)), Err(IdError::TrustDomainTooLong));
    }
}
