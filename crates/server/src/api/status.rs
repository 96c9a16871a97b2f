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
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Failure {
    /// An error without a cause to tell.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// An error with its cause; SPIRE tells the cause to callers unless something was not found.
    pub(crate) fn of(code: Code, message: &str, cause: impl std::fmt::Display) -> Self {
        let message = if code == Code::NotFound { message.to_owned() } else { format!("{message}: {cause}") };
        Self { code, message }
    }

    /// What the datastore said, told as `message`.
    pub(crate) fn store(message: &str, cause: &StoreError) -> Self {
        Self::of(store_code(cause.class), message, cause)
    }

    /// Malformed input.
    pub(crate) fn malformed(message: &str, cause: impl std::fmt::Display) -> Self {
        Self::of(Code::InvalidArgument, message, cause)
    }

    /// The status of a batch item.
    pub(crate) fn item(self) -> types::Status {
        self.log();
        types::Status { code: self.code.into(), message: self.message }
    }

    fn log(&self) {
        error!(error = self.message, "Request failed");
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        failure.log();
        Self::new(failure.code, failure.message)
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
        ErrorClass::Internal => Code::Internal,
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
