//! Why a command failed, as the text that the user reads.

use std::fmt::Display;
use std::io;
use std::path::Path;

use steeple_client::{describe, os_text};
use steeple_types::IdError;
use tonic::Status;

/// The text of a failure, in SPIRE's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) String);

/// Puts in front of a failure what was being done.
pub(crate) trait Explain<T> {
    /// Turns `reason` into `what: reason`.
    fn explain(self, what: impl Display) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> Explain<T> for Result<T, E> {
    fn explain(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{what}: {}", error.into().0)))
    }
}

/// A failure of a file operation, as `open /path: no such file or directory`.
pub(crate) fn on_file(operation: &str, path: &Path, error: &io::Error) -> Failure {
    Failure(format!("{operation} {}: {}", path.display(), os_text(error)))
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self(describe(&status))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(os_text(&error))
    }
}

impl From<IdError> for Failure {
    fn from(error: IdError) -> Self {
        Self(error.to_string())
    }
}
