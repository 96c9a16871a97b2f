//! What SQLite's errors mean to an operator.

use rusqlite::ErrorCode;
use steeple_store::{ErrorClass, StoreError};

use super::target::Target;

impl Target {
    /// The error with the file's name and the way out.
    pub(super) fn error(&self, error: &rusqlite::Error) -> StoreError {
        let file = &self.file;
        let unavailable =
            |text: String| StoreError::new(ErrorClass::Unavailable, format!("datastore-sql: {text}: {error}"));
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => unavailable(format!(
                "no space is left for the database \"{file}\"; nothing was written; free space on its file system"
            )),
            Some(ErrorCode::ReadOnly) => self.read_only(Some(error)),
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => unavailable(format!(
                "the database \"{file}\" can't be opened; its folder must exist, and this user must be able to write there"
            )),
            Some(ErrorCode::SystemIoFailure) => {
                unavailable(format!("reading or writing the database \"{file}\" failed; check its disk"))
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::new(
                ErrorClass::Internal,
                format!(
                    "datastore-sql: the file \"{file}\" is damaged or no SQLite database; restore it from a backup: {error}"
                ),
            ),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                StoreError::busy(format!("datastore-sql: another process holds the database \"{file}\": {error}"))
            }
            // SQLite's own text, which SPIRE's clients see: `UNIQUE constraint failed: <table>.<column>`.
            Some(ErrorCode::ConstraintViolation) => {
                StoreError::new(ErrorClass::Conflict, format!("datastore-sql: {error}"))
            }
            _ => StoreError::new(ErrorClass::Internal, format!("datastore-sql: {}", reason(error))),
        }
    }

    /// The error of a database that can't be written.
    pub(super) fn read_only(&self, error: Option<&rusqlite::Error>) -> StoreError {
        let detail = error.map(|error| format!(": {error}")).unwrap_or_default();
        let message = format!(
            "datastore-sql: the database \"{}\" is read-only; let this user write to the file and to its folder{detail}",
            self.file
        );
        StoreError::new(ErrorClass::Unavailable, message)
    }
}

/// What SQLite says of an error, without the statement, which can be as long as the request was.
fn reason(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        error => error.to_string(),
    }
}
