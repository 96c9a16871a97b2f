//! How an agent becomes part of the trust domain and stays it.

mod attest;
mod bootstrap;
mod renew;

use prost::Message;
use steeple_proto::google::rpc;
use steeple_proto::spire::api::types::PermissionDeniedDetails;
use steeple_proto::spire::api::types::permission_denied_details::Reason;
use tonic::{Code, Status};

use crate::server::is_unknown_authority;

pub(crate) use attest::{AttestKey, attest, restore};
pub(crate) use bootstrap::{LOGGER, bundle_of_file, bundle_of_url, bundle_of_workload_api, of_certificates};
pub(crate) use renew::renew;

const DETAILS: &str = "type.googleapis.com/spire.api.types.PermissionDeniedDetails";

/// Why an agent could not attest or renew.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum JoinError {
    /// The server refused, or could not be asked.
    #[error("failed to receive attestation response: {}", steeple_client::describe_with_causes(status))]
    Refused {
        /// What it said.
        status: Status,
    },
    /// Something on this side failed.
    #[error("{0}")]
    Failed(String),
}

impl JoinError {
    /// The name of the status code that tells what went wrong.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Refused { status } => steeple_client::code_of(status.code()),
            Self::Failed(_) => "Unknown",
        }
    }

    /// Whether the server showed a certificate of an authority that is not known here.
    pub(crate) fn is_unknown_authority(&self) -> bool {
        matches!(self, Self::Refused { status } if is_unknown_authority(status))
    }

    /// Whether trying again is of no use.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Refused { status } if status.code() == Code::PermissionDenied)
    }
}

impl From<Status> for JoinError {
    fn from(status: Status) -> Self {
        Self::Refused { status }
    }
}

/// The reason in the details of a denial.
pub(crate) fn denial_reason(status: &Status) -> Option<Reason> {
    if status.code() != Code::PermissionDenied {
        return None;
    }
    let details = rpc::Status::decode(status.details()).ok()?.details;
    let detail = details.iter().find(|any| any.type_url.ends_with("/spire.api.types.PermissionDeniedDetails"))?;
    let reason = PermissionDeniedDetails::decode(detail.value.as_slice()).ok()?.reason();
    (reason != Reason::Unknown).then_some(reason)
}

/// A denial as the server would have told it.
pub(crate) fn denial(reason: Reason) -> Status {
    let value = PermissionDeniedDetails { reason: reason.into() }.encode_to_vec();
    let any = prost_types::Any { type_url: DETAILS.to_owned(), value };
    let code = Code::PermissionDenied;
    let details = rpc::Status { code: code.into(), message: String::new(), details: vec![any] };
    Status::with_details(code, "agent is denied", details.encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_of_a_denial_is_read_and_nothing_else_is_one() {
        for reason in [Reason::AgentExpired, Reason::AgentNotActive, Reason::AgentBanned, Reason::AgentMustReattest] {
            assert_eq!(denial_reason(&denial(reason)), Some(reason));
        }
        assert_eq!(denial_reason(&denial(Reason::Unknown)), None);
        assert_eq!(denial_reason(&Status::permission_denied("authorization denied")), None);
        let other_code = Status::with_details(Code::Unknown, "", denial(Reason::AgentBanned).details().to_vec().into());
        assert_eq!(denial_reason(&other_code), None);
        let broken = Status::with_details(Code::PermissionDenied, "", vec![0xff, 0xff].into());
        assert_eq!(denial_reason(&broken), None);
    }
}
