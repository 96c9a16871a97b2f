//! Statuses as Go's gRPC library prints them.

use std::io;

use tonic::{Code, Status};

/// A failed call, as `rpc error: code = NotFound desc = entry not found`.
pub fn describe(status: &Status) -> String {
    format!("rpc error: code = {} desc = {}", code_of(status.code()), status.message())
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

/// The text of an error of the operating system as Go prints it: `no such file or directory`.
pub fn os_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut letters = text.chars();
    match (error.raw_os_error(), letters.next()) {
        (Some(_), Some(first)) => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
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

    #[test]
    fn errors_of_the_system_read_as_in_go() {
        assert_eq!(os_text(&io::Error::from_raw_os_error(2)), "no such file or directory");
        assert_eq!(os_text(&io::Error::other("Own words")), "Own words");
    }
}
