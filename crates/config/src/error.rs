//! Why a daemon's configuration can't be used.

use crate::{DecodeError, NotYetError, PluginsError};

/// Why a configuration can't be used; the texts are SPIRE's where it has them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there.
    #[error("could not find config file {0}: please use the -config flag")]
    Missing(String),
    /// The file can't be read.
    #[error("unable to read configuration at {path:?}: {reason}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The file is not in order.
    #[error("unable to decode configuration at {path:?}: {reason}")]
    Malformed {
        /// Which file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A value is of the wrong type.
    #[error(transparent)]
    Value(#[from] DecodeError),
    /// A key asks for what is not there yet.
    #[error(transparent)]
    NotYet(#[from] NotYetError),
    /// The plugins are not in order.
    #[error(transparent)]
    Plugins(#[from] PluginsError),
    /// A value is not acceptable.
    #[error("{0}")]
    Invalid(String),
}

/// A value is not acceptable, for the reason that `message` tells.
pub fn invalid(message: impl Into<String>) -> ConfigError {
    ConfigError::Invalid(message.into())
}
