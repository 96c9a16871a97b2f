//! Statuses as Go's gRPC library prints them.

use tonic::{Code, Status};

/// A failed call, as `rpc error: code = NotFound desc = entry not found`.
pub fn describe(status: &Status) -> String {
    format!("rpc error: code = {} desc = {}", code_of(status.code()), status.message())
}

/// The same with all of the causes, as Go's clients print a failed call.
pub fn describe_with_causes(status: &Status) -> String {
    format!("rpc error: code = {} desc = {}", code_of(status.code()), with_causes(status))
}

/// A status's message with all of its causes, which tonic hides.
pub fn with_causes(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let next = error.to_string();
        // tonic's own word tells nothing beside what it wraps.
        if next != "transport error" && !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// The name of a status code, as `InvalidArgument`.
pub fn code_of(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

/// The name of a status code on the wire; an unknown one reads as `Code(99)`.
pub fn code_name(code: i32) -> String {
    match Code::from_i32(code) {
        Code::Unknown if code != Code::Unknown as i32 => format!("Code({code})"),
        known => code_of(known).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_read_as_in_go() {
        assert_eq!(
            describe(&Status::not_found("entry not found")),
            "rpc error: code = NotFound desc = entry not found"
        );
        assert_eq!(code_name(1), "Canceled");
        assert_eq!(code_name(2), "Unknown");
        assert_eq!(code_name(99), "Code(99)");
    }
}
