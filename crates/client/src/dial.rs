//! Why a server could not be reached, in the words of Go's gRPC library.

use std::io;

use crate::os_text;

/// A connection could not be made.
#[derive(Debug, thiserror::Error)]
#[error("connection error: desc = \"transport: {reason}\"")]
pub struct DialError {
    reason: String,
    is_unknown_authority: bool,
}

impl DialError {
    /// The address of the network `unix` or `tcp` could not be reached.
    pub fn dial(network: &str, address: impl std::fmt::Display, error: &io::Error) -> Self {
        let reason = format!("Error while dialing: dial {network} {address}: connect: {}", os_text(error));
        Self { reason, is_unknown_authority: false }
    }

    /// The peer was reached, and the TLS handshake failed.
    pub fn handshake(error: &io::Error) -> Self {
        let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let reason = format!("authentication handshake failed: {error}");
        Self { reason, is_unknown_authority: of_tls == Some(&unknown) }
    }

    /// Whether the peer showed a certificate of an authority that is not known here.
    pub fn is_unknown_authority(&self) -> bool {
        self.is_unknown_authority
    }
}

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, Error};

    use super::*;

    #[test]
    fn unknown_authority_is_told_from_other_failures() {
        let failed = |error: Error| DialError::handshake(&io::Error::new(io::ErrorKind::InvalidData, error));
        let unknown = failed(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        assert!(unknown.is_unknown_authority());
        let said = "connection error: desc = \"transport: authentication handshake failed: invalid peer certificate: \
                    UnknownIssuer\"";
        assert_eq!(unknown.to_string(), said);
        assert!(!failed(Error::InvalidCertificate(CertificateError::Expired)).is_unknown_authority());
        assert!(!failed(Error::General("UnknownIssuer".to_owned())).is_unknown_authority());
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert!(!DialError::handshake(&refused).is_unknown_authority());
        assert!(!DialError::dial("tcp", "a:1", &refused).is_unknown_authority());
    }
}
