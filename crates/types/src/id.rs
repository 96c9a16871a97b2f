//! SPIFFE IDs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::TrustDomain;
use crate::trust_domain::is_trust_domain_byte;

const SCHEME: &str = "spiffe://";
/// Longest SPIFFE ID accepted, in bytes (SPIFFE ID standard, section 2.3).
const MAX_LENGTH: usize = 2048;

/// Why a text is not a SPIFFE ID or trust domain; the texts are those of go-spiffe, which SPIRE's clients read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("cannot be empty")]
    Empty,
    /// The scheme is not `spiffe://`.
    #[error("scheme is missing or invalid")]
    WrongScheme,
    /// The trust domain is absent.
    #[error("trust domain is missing")]
    MissingTrustDomain,
    /// The trust domain has a character outside `a-z0-9.-_`.
    #[error("trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores")]
    BadTrustDomainChar,
    /// The trust domain is longer than 255 bytes.
    #[error("trust domain is too long")]
    TrustDomainTooLong,
    /// A path segment is empty.
    #[error("path cannot contain empty segments")]
    EmptySegment,
    /// A path segment is `.` or `..`.
    #[error("path cannot contain dot segments")]
    DotSegment,
    /// A path segment has a character outside `A-Za-z0-9.-_`.
    #[error("path segment characters are limited to letters, numbers, dots, dashes, and underscores")]
    BadPathSegmentChar,
    /// The path does not begin with a slash.
    #[error("path must have a leading slash")]
    NoLeadingSlash,
    /// The path ends with a slash.
    #[error("path cannot have a trailing slash")]
    TrailingSlash,
    /// The ID is longer than 2048 bytes.
    #[error("SPIFFE ID is too long")]
    TooLong,
}

/// A SPIFFE ID, `spiffe://<trust domain>[/path]` (SPIFFE ID standard, section 2).
///
/// Cloning is cheap. Order is that of the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    text: Arc<str>,
}

impl SpiffeId {
    /// Reads a SPIFFE ID, strictly: no upper-case trust domain, no port, query, percent encoding or dot segments.
    ///
    /// # Errors
    /// The [`IdError`] of the first rule that the text breaks, in the order of go-spiffe.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(IdError::WrongScheme)?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (trust_domain, path) = rest.split_at(end);
        if trust_domain.is_empty() {
            return Err(IdError::MissingTrustDomain);
        }
        if !trust_domain.bytes().all(is_trust_domain_byte) {
            return Err(IdError::BadTrustDomainChar);
        }
        if trust_domain.len() > 255 {
            return Err(IdError::TrustDomainTooLong);
        }
        check_path(path)?;
        if text.len() > MAX_LENGTH {
            return Err(IdError::TooLong);
        }
        Ok(Self { text: Arc::from(text) })
    }

    /// Builds the ID of `path` in `trust_domain`; the path is empty or begins with a slash.
    ///
    /// # Errors
    /// The [`IdError`] of the first rule that the path breaks.
    pub fn from_path(trust_domain: &TrustDomain, path: &str) -> Result<Self, IdError> {
        check_path(path)?;
        let id = Self::from_valid_path(trust_domain, path);
        if id.text.len() > MAX_LENGTH {
            return Err(IdError::TooLong);
        }
        Ok(id)
    }

    pub(crate) fn from_valid_path(trust_domain: &TrustDomain, path: &str) -> Self {
        Self { text: Arc::from(format!("{SCHEME}{trust_domain}{path}")) }
    }

    pub(crate) fn of_trust_domain(trust_domain: &TrustDomain) -> Self {
        Self::from_valid_path(trust_domain, "")
    }

    /// The ID as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Name of the trust domain.
    pub fn trust_domain_name(&self) -> &str {
        let rest = self.text.strip_prefix(SCHEME).unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> TrustDomain {
        TrustDomain::from_name(self.trust_domain_name())
            .unwrap_or_else(|_| unreachable!("checked when the ID was built"))
    }

    /// The path, empty or beginning with a slash.
    pub fn path(&self) -> &str {
        self.text.get(SCHEME.len() + self.trust_domain_name().len()..).unwrap_or_default()
    }

    /// Whether the ID belongs to `trust_domain`.
    pub fn member_of(&self, trust_domain: &TrustDomain) -> bool {
        self.trust_domain_name() == trust_domain.name()
    }

    /// Whether the path is `/spire` or below it, which SPIRE keeps for itself.
    pub fn is_reserved(&self) -> bool {
        let path = self.path();
        path == "/spire" || path.starts_with("/spire/")
    }

    /// Whether the path is below `/spire/agent/`, the namespace of agents.
    pub fn is_agent(&self) -> bool {
        self.path().strip_prefix("/spire/agent/").is_some_and(|rest| !rest.is_empty())
    }
}

fn check_path(path: &str) -> Result<(), IdError> {
    if path.is_empty() {
        return Ok(());
    }
    let rest = path.strip_prefix('/').ok_or(IdError::NoLeadingSlash)?;
    if rest.is_empty() {
        return Err(IdError::TrailingSlash);
    }
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "" if segments.peek().is_none() => return Err(IdError::TrailingSlash),
            "" => return Err(IdError::EmptySegment),
            "." | ".." => return Err(IdError::DotSegment),
            _ if !segment.bytes().all(is_path_byte) => return Err(IdError::BadPathSegmentChar),
            _ => {}
        }
    }
    Ok(())
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for SpiffeId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found() {
        let id = SpiffeId::parse("spiffe://example.org/spire/agent/x").unwrap();
        assert_eq!(id.trust_domain().name(), "example.org");
        assert_eq!(id.path(), "/spire/agent/x");
        assert!(id.is_agent() && id.is_reserved());
        assert!(!SpiffeId::parse("spiffe://example.org/spired").unwrap().is_reserved());
    }

    #[test]
    fn each_broken_rule_has_its_text() {
        for (text, error) in [
            ("", IdError::Empty),
            ("Spiffe://a/b", IdError::WrongScheme),
            ("spiffe:///b", IdError::MissingTrustDomain),
            ("spiffe://A/b", IdError::BadTrustDomainChar),
            ("spiffe://a?q", IdError::BadTrustDomainChar),
            ("spiffe://a/", IdError::TrailingSlash),
            ("spiffe://a//b", IdError::EmptySegment),
            ("spiffe://a/b/", IdError::TrailingSlash),
            ("spiffe://a/./b", IdError::DotSegment),
            ("spiffe://a/%41", IdError::BadPathSegmentChar),
        ] {
            assert_eq!(SpiffeId::parse(text), Err(error), "{text}");
        }
        assert_eq!(SpiffeId::parse(&format!("spiffe://a/{}", "b".repeat(2048))), Err(IdError::TooLong));
    }
}
