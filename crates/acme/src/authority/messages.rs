//! The objects of ACME (RFC 8555, section 7.1), as far as they are read.

use serde::{Deserialize, Serialize};

/// Where the resources of a server are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    pub(super) new_nonce: String,
    pub(super) new_account: String,
    pub(super) new_order: String,
    #[serde(default)]
    pub(super) meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    #[serde(default)]
    pub(super) terms_of_service: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewAccount {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) terms_of_service_agreed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) contact: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct NewOrder<'a> {
    pub(super) identifiers: [Identifier<'a>; 1],
}

#[derive(Debug, Serialize)]
pub(super) struct Identifier<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) value: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Pending,
    Processing,
    Ready,
    Valid,
    /// Invalid, or over in another way.
    #[serde(other)]
    Over,
}

#[derive(Debug, Deserialize)]
pub(super) struct Order {
    pub(super) status: Status,
    #[serde(default)]
    pub(super) authorizations: Vec<String>,
    pub(super) finalize: String,
    #[serde(default)]
    pub(super) certificate: Option<String>,
    #[serde(default)]
    pub(super) error: Option<Problem>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Authorization {
    pub(super) status: Status,
    #[serde(default)]
    pub(super) challenges: Vec<Challenge>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Challenge {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) url: String,
    #[serde(default)]
    pub(super) token: String,
    #[serde(default)]
    pub(super) error: Option<Problem>,
}

/// What a server says instead (RFC 7807), in the words of Go's client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{status} {kind}: {detail}")]
pub(crate) struct Problem {
    /// The status of the answer.
    #[serde(default)]
    pub(crate) status: u16,
    /// What kind of problem, such as `urn:ietf:params:acme:error:rateLimited`.
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    /// What is wrong.
    #[serde(default)]
    pub(crate) detail: String,
}
