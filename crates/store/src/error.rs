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
    /// The record is there and makes no sense (`Internal`).
    Unreadable,
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
    /// Whether the same transaction may succeed at once when it is repeated: others were in its way.
    pub transient: bool,
}

impl StoreError {
    /// An error of `class`.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), transient: false }
    }

    /// Others were in the way of the transaction; it is worth repeating.
    pub fn busy(message: impl Into<String>) -> Self {
        Self { class: ErrorClass::Unavailable, message: message.into(), transient: true }
    }

    /// A rule of a table forbids a second record; the text is that of SQLite, which SPIRE's clients see.
    pub fn not_unique(column: &str) -> Self {
        Self::new(ErrorClass::Conflict, format!("datastore-sql: UNIQUE constraint failed: {column}"))
    }

    /// The record is not there; the text is that of SPIRE's datastore.
    pub fn not_found() -> Self {
        Self::new(ErrorClass::NotFound, "datastore-sql: record not found")
    }
}
