//! How an agent becomes part of the trust domain and stays it.

mod attest;
mod bootstrap;
mod renew;

use steeple_proto::google::rpc;
use steeple_proto::spire::api::types::PermissionDeniedDetails;
use steeple_proto::spire::api::types::permission_denied_details::Reason;
use tonic::{Code, Status};

use crate::server::with_causes;

pub(crate) use attest::{AttestKey, attest, restore};
pub(crate) use bootstrap::bootstrap;
pub(crate) use renew::renew;

/// Why an agent could not attest or renew.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum JoinError {
    /// The server refused.
    #[error("failed to attest: {code:?}: {message}")]
    Refused {
        /// How.
        code: Code,
        /// In its own words.
        message: String,
        /// For which reason, if it said so in a form for agents.
        reason: Option<Reason>,
    },
    /// Something on this side failed.
    #[error("{0}")]
    Failed(String),
}

impl JoinError {
    /// Whether trying again is of no use.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Refused { code: Code::PermissionDenied, .. })
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused { reason, .. } => *reason,
            Self::Failed(_) => None,
        }
    }
}

impl From<Status> for JoinError {
    fn from(status: Status) -> Self {
        Self::Refused { code: status.code(), message: with_causes(&status), reason: denial_reason(&status) }
    }
}

/// The reason in the details of a denial.
pub(crate) fn denial_reason(status: &Status) -> Option<Reason> {
    use prost::Message;
    if status.code() != Code::PermissionDenied {
        return None;
    }
    let details = rpc::Status::decode(status.details()).ok()?.details;
    let detail = details.iter().find(|any| any.type_url.ends_with("/spire.api.types.PermissionDeniedDetails"))?;
    Some(PermissionDeniedDetails::decode(detail.value.as_slice()).ok()?.reason())
}
