//! The forms in which a bundle is published.

use std::str::FromStr;

use steeple_crypto::bundle::{BundleError, to_compact_document, to_jwks};
use steeple_crypto::pem;
use steeple_types::Bundle;

/// A form of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A SPIFFE bundle document (SPIFFE Trust Domain and Bundle, section 4).
    Spiffe,
    /// A JWK set (RFC 7517, section 5) without anything of SPIFFE's own.
    Jwks,
    /// The certificates of the X.509 authorities, PEM.
    Pem,
}

/// There is no such form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown bundle format: {0:?}")]
pub struct FormatError(pub String);

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        match text.to_ascii_lowercase().as_str() {
            "spiffe" => Ok(Self::Spiffe),
            "jwks" => Ok(Self::Jwks),
            "pem" => Ok(Self::Pem),
            _ => Err(FormatError(text.to_owned())),
        }
    }
}

impl Format {
    /// The name by which a configuration chooses it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spiffe => "spiffe",
            Self::Jwks => "jwks",
            Self::Pem => "pem",
        }
    }

    /// The bundle in this form.
    ///
    /// # Errors
    /// [`BundleError`] when an authority of the bundle can't be read.
    pub fn of(self, bundle: &Bundle) -> Result<String, BundleError> {
        match self {
            Self::Spiffe => to_compact_document(bundle),
            Self::Jwks => to_jwks(bundle),
            Self::Pem => Ok(certificates(bundle)),
        }
    }
}

/// The certificates of the X.509 authorities, PEM.
pub(crate) fn certificates(bundle: &Bundle) -> String {
    let authorities = bundle.x509_authorities.iter();
    authorities.map(|authority| pem::encode("CERTIFICATE", &authority.certificate)).collect()
}
