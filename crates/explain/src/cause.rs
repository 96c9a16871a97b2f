//! Causes by their names, which do not change.

use steeple_types::{EntryId, SpiffeId};

/// Why a workload has no identity, or that it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It has one.
    Issued,
    /// The server knows no such agent.
    AgentNotAttested,
    /// The agent was banned.
    AgentBanned,
    /// The agent's SVID has ended.
    AgentExpired,
    /// No attestor could tell what the workload is.
    AttestationFailed,
    /// The attestor that an entry depends on failed.
    AttestorFailed,
    /// The agent has no attestor for what an entry wants.
    AttestorNotConfigured,
    /// The attestor tells what an entry wants only when it is configured to.
    AttestorOption,
    /// No attestor ever tells what an entry wants.
    UnknownSelector,
    /// What an entry wants is said of nodes, not of workloads.
    NodeSelector,
    /// The workload is something else than what an entry wants.
    MissingSelector,
    /// The entry is an alias of nodes.
    EntryIsAlias,
    /// The entry is below another agent.
    OtherAgent,
    /// The entry is below an ID that nothing has.
    UnknownParent,
    /// The entry is below an alias that does not fit the agent's node.
    AliasMismatch,
    /// The entry is below an entry that the agent isn't given.
    ParentNotGiven,
    /// Entries below other parents fit.
    Elsewhere,
    /// The entry has ended.
    EntryExpired,
    /// The entry was deleted.
    EntryDeleted,
    /// The entry is for a store of SVIDs.
    StoredSvid,
    /// The entry has not reached the agent yet.
    NotSynced,
    /// The agent has an older revision of the entry.
    OldRevision,
    /// The server does not sign the SVID.
    NotSigned,
    /// The agent's cache has no room for the SVID before a workload asks for it.
    CacheLimit,
    /// The SVID is fetched when a workload asks for it.
    NotFetched,
    /// The agent does not hear from its server.
    ServerUnreachable,
    /// No entry is near.
    NoEntry,
    /// There is no entry of the kind that was expected.
    NoSuchEntry,
    /// The SPIFFE ID is of another trust domain.
    OtherTrustDomain,
    /// The workload called too often.
    RateLimit,
    /// The workload's call had no security header.
    NoHeader,
    /// The workload asked for a SPIFFE ID that is not its own.
    NotThisId,
    /// The server issues no JWT-SVIDs.
    JwtDisabled,
    /// The server gave no JWT-SVID.
    NoToken,
    /// Envoy asked for a secret that does not exist.
    NoSecret,
    /// The agent does not offer the Workload API, or SDS.
    ApiDisabled,
    /// Another identity has the same hint.
    HintTaken,
}

impl Cause {
    /// The name that does not change.
    pub fn name(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::AgentNotAttested => "agent_not_attested",
            Self::AgentBanned => "agent_banned",
            Self::AgentExpired => "agent_expired",
            Self::AttestationFailed => "attestation_failed",
            Self::AttestorFailed => "attestor_failed",
            Self::AttestorNotConfigured => "attestor_not_configured",
            Self::AttestorOption => "attestor_option",
            Self::UnknownSelector => "unknown_selector",
            Self::NodeSelector => "node_selector",
            Self::MissingSelector => "missing_selector",
            Self::EntryIsAlias => "entry_is_alias",
            Self::OtherAgent => "other_agent",
            Self::UnknownParent => "unknown_parent",
            Self::AliasMismatch => "alias_mismatch",
            Self::ParentNotGiven => "parent_not_given",
            Self::Elsewhere => "elsewhere",
            Self::EntryExpired => "entry_expired",
            Self::EntryDeleted => "entry_deleted",
            Self::StoredSvid => "stored_svid",
            Self::NotSynced => "not_synced",
            Self::OldRevision => "old_revision",
            Self::NotSigned => "not_signed",
            Self::CacheLimit => "cache_limit",
            Self::NotFetched => "not_fetched",
            Self::ServerUnreachable => "server_unreachable",
            Self::NoEntry => "no_entry",
            Self::NoSuchEntry => "no_such_entry",
            Self::OtherTrustDomain => "other_trust_domain",
            Self::RateLimit => "rate_limit",
            Self::NoHeader => "no_header",
            Self::NotThisId => "not_this_id",
            Self::JwtDisabled => "jwt_disabled",
            Self::NoToken => "no_token",
            Self::NoSecret => "no_secret",
            Self::ApiDisabled => "api_disabled",
            Self::HintTaken => "hint_taken",
        }
    }
}

/// A cause with what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The cause.
    pub cause: Cause,
    /// What is so.
    pub text: String,
    /// The smallest change that helps; empty when none is needed.
    pub fix: String,
    /// The entry that it is about.
    pub entry: Option<(EntryId, SpiffeId)>,
}

impl Finding {
    pub(crate) fn new(cause: Cause, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { cause, text: text.into(), fix: fix.into(), entry: None }
    }
}
