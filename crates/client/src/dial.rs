//! Why a server could not be reached, in the words of Go's gRPC library.

use std::io;

use crate::os_text;

/// A connection could not be made.
#[derive(Debug, thiserror::Error)]
#[error("connection error: desc = \"transport: {0}\"")]
pub struct DialError(String);

impl DialError {
    /// The address of the network `unix` or `tcp` could not be reached.
    pub fn dial(network: &str, address: impl std::fmt::Display, error: &io::Error) -> Self {
        Self(format!("Error while dialing: dial {network} {address}: connect: {}", os_text(error)))
    }

    /// The peer was reached, and the TLS handshake failed.
    pub fn handshake(error: &io::Error) -> Self {
        Self(format!("authentication handshake failed: {error}"))
    }
}
