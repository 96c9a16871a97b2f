//! How errors become gRPC statuses and statuses of batch items: the one place that knows.

use prost::Message;
use steeple_proto::google::rpc;
use steeple_proto::spire::api::types;
use steeple_proto::spire::api::types::permission_denied_details::Reason;
use steeple_store::{ErrorClass, StoreError};
use tonic::{Code, Status};
use tracing::error;

/// A failed call or item: what was tried, and what was in its way.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    code: Code,
    what: String,
    cause: Option<String>,
}

impl Failure {
    /// An error without a cause to tell.
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), cause: None }
    }

    /// An error with its cause; SPIRE tells the cause to callers unless something was not found.
    pub(crate) fn of(code: Code, what: &str, cause: impl std::fmt::Display) -> Self {
        let cause = (code != Code::NotFound).then(|| cause.to_string());
        Self { code, what: what.to_owned(), cause }
    }

    /// What the datastore said, told as `what`.
    pub(crate) fn store(what: &str, cause: &StoreError) -> Self {
        Self::of(store_code(cause.class), what, cause)
    }

    /// Malformed input.
    pub(crate) fn malformed(what: &str, cause: impl std::fmt::Display) -> Self {
        Self::of(Code::InvalidArgument, what, cause)
    }

    /// The status of a batch item.
    pub(crate) fn item(self) -> types::Status {
        self.log();
        types::Status { code: self.code.into(), message: self.message() }
    }

    /// The code that callers get.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// What callers read.
    pub(crate) fn message(&self) -> String {
        match &self.cause {
            Some(cause) => format!("{}: {cause}", self.what),
            None => self.what.clone(),
        }
    }

    fn log(&self) {
        let error = self.cause.as_deref();
        if self.code == Code::InvalidArgument {
            error!(error, "Invalid argument: {}", self.what);
        } else {
            error!(error, "{}", capitalized(&self.what));
        }
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        failure.log();
        Self::new(failure.code, failure.message())
    }
}

/// Status of a batch item that succeeded.
pub(crate) fn ok() -> types::Status {
    types::Status { code: Code::Ok.into(), message: "OK".to_owned() }
}

/// The code of a datastore's error.
pub(crate) fn store_code(class: ErrorClass) -> Code {
    match class {
        ErrorClass::Malformed => Code::InvalidArgument,
        ErrorClass::NotFound => Code::NotFound,
        ErrorClass::Conflict => Code::AlreadyExists,
        ErrorClass::Unfit => Code::FailedPrecondition,
        ErrorClass::Unavailable => Code::Unavailable,
        ErrorClass::Unreadable | ErrorClass::Internal => Code::Internal,
    }
}

/// The code of a plugin's error.
pub(crate) fn plugin_code(class: steeple_plugin::ErrorClass) -> Code {
    use steeple_plugin::ErrorClass as C;
    match class {
        C::Malformed => Code::InvalidArgument,
        C::Denied => Code::PermissionDenied,
        C::NotFound => Code::NotFound,
        C::Unfit => Code::FailedPrecondition,
        C::Unsupported => Code::Unimplemented,
        C::Unavailable => Code::Unavailable,
        C::Internal => Code::Internal,
    }
}

/// A denial whose reason agents act on.
pub(crate) fn denied(message: &str, reason: Reason) -> Status {
    let details = types::PermissionDeniedDetails { reason: reason.into() };
    let any = prost_types::Any {
        type_url: "type.googleapis.com/spire.api.types.PermissionDeniedDetails".to_owned(),
        value: details.encode_to_vec(),
    };
    let status = rpc::Status { code: Code::PermissionDenied.into(), message: message.to_owned(), details: vec![any] };
    Status::with_details(Code::PermissionDenied, message, status.encode_to_vec().into())
}
