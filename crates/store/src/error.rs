//! What goes wrong in a datastore.

/// Who is at fault, which decides the gRPC code that a caller sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The request makes no sense (`InvalidArgument`).
    Malformed,
    /// The record is not there (`NotFound`).
    NotFound,
    /// The record is there already (`AlreadyExists`).
    Conflict,
    /// The state of other records forbids it (`FailedPrecondition`).
    Unfit,
    /// The datastore can't be reached or written now (`Unavailable`).
    Unavailable,
    /// Anything else (`Internal`).
    Internal,
}

/// An error of the datastore; texts that reach SPIRE's clients are SPIRE's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// Who is at fault.
    pub class: ErrorClass,
    /// What failed.
    pub message: String,
}

impl StoreError {
    /// An error of `class`.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into() }
    }

    /// The record is not there; the text is that of SPIRE's datastore.
    pub fn not_found() -> Self {
        Self::new(ErrorClass::NotFound, "datastore-sql: record not found")
    }
}
