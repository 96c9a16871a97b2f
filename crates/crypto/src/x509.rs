//! X.509 certificates and certificate requests: reading, and writing in the profiles of SPIFFE (RFC 5280, X.509-SVID).

mod acme;
mod build;
mod certificate;
mod csr;
mod name;
pub(crate) mod oid;
mod time;

pub use acme::acme_challenge_certificate;
pub use build::{CertificateTemplate, Purpose, Unsigned, random_serial};
pub use certificate::Certificate;
pub use csr::{Csr, csr_to_be_signed, finish_csr, self_signed_csr};
pub use name::Name;

use crate::der::DerError;

/// Why bytes are not a certificate or request that this product takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum X509Error {
    /// The structure is not what the standard says.
    #[error("malformed {what}: {source}")]
    Malformed {
        /// What was read.
        what: &'static str,
        /// Where the structure fails.
        source: DerError,
    },
    /// The structure is in order but not acceptable.
    #[error("{0}")]
    Unacceptable(&'static str),
    /// The key or signature is of no use.
    #[error(transparent)]
    Key(#[from] crate::keys::KeyError),
    /// No randomness for a serial number.
    #[error(transparent)]
    Random(#[from] crate::random::NoRandomness),
}

pub(crate) fn malformed(what: &'static str) -> impl Fn(DerError) -> X509Error {
    move |source| X509Error::Malformed { what, source }
}
