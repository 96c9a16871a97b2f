//! Versions of SPIRE, as it writes its own beside the schema's (Semantic Versioning 2.0.0, section 2).

use std::fmt;

/// A version without what follows the patch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Version {
    major: u64,
    minor: u64,
    patch: u64,
}

impl Version {
    /// The version written beside the schema's. SPIRE writes its own when that is greater, so an ordinary release of SPIRE's
    /// keeps the way back open.
    pub(crate) const OURS: Self = Self { major: 1, minor: 15, patch: 3 };

    /// Reads a version; an empty text, as the oldest servers left it, is 0.0.0.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let core = text.split(['-', '+']).next().unwrap_or_default();
        let numbers: Option<Vec<u64>> = core.split('.').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self { major, minor, patch }),
            _ => Err(format!("{text:?} is no version")),
        }
    }

    /// Whether servers of both versions may use one database: they are at most one minor version apart.
    pub(crate) fn is_one_minor_from(self, other: Self) -> bool {
        self.major == other.major && self.minor.abs_diff(other.minor) <= 1
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compatible_within_one_minor() {
        for (text, compatible) in [
            ("1.14.0", true),
            ("1.15.9-dev-unk", true),
            ("1.16.0+x", true),
            ("1.17.0", false),
            ("1.13.3", false),
            ("2.15.0", false),
            ("", false),
        ] {
            assert_eq!(Version::parse(text).unwrap().is_one_minor_from(Version::OURS), compatible, "{text}");
        }
    }

    #[test]
    fn what_is_no_version_is_named() {
        for text in ["1.15", "x", "1.15.3.1", "1..2"] {
            assert_eq!(Version::parse(text).unwrap_err(), format!("{text:?} is no version"));
        }
    }
}
