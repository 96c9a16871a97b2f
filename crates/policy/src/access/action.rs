//! What a call does, and to what.

use std::fmt;

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Action {
    Read,
    Create,
    Update,
    Delete,
    Ban,
    Mint,
    Rotate,
    Taint,
    Revoke,
    Import,
    Refresh,
    Approve,
    /// What agents, downstream servers and strangers do for themselves; no binding gives it.
    Act,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Read,
        Self::Create,
        Self::Update,
        Self::Delete,
        Self::Ban,
        Self::Mint,
        Self::Rotate,
        Self::Taint,
        Self::Revoke,
        Self::Import,
        Self::Refresh,
        Self::Approve,
        Self::Act,
    ];

    /// The name in configuration, logs and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Ban => "ban",
            Self::Mint => "mint",
            Self::Rotate => "rotate",
            Self::Taint => "taint",
            Self::Revoke => "revoke",
            Self::Import => "import",
            Self::Refresh => "refresh",
            Self::Approve => "approve",
            Self::Act => "act",
        }
    }

    /// The action of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// To what a call does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Resource {
    Agent,
    JoinToken,
    Entry,
    /// The bundle of the server's own trust domain.
    Bundle,
    FederatedBundle,
    Relationship,
    Authority,
    Svid,
    Server,
    Health,
    Log,
    Audit,
    Binding,
    Explanation,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Agent,
        Self::JoinToken,
        Self::Entry,
        Self::Bundle,
        Self::FederatedBundle,
        Self::Relationship,
        Self::Authority,
        Self::Svid,
        Self::Server,
        Self::Health,
        Self::Log,
        Self::Audit,
        Self::Binding,
        Self::Explanation,
    ];

    /// The name in configuration, logs and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::JoinToken => "join-token",
            Self::Entry => "entry",
            Self::Bundle => "bundle",
            Self::FederatedBundle => "federated-bundle",
            Self::Relationship => "relationship",
            Self::Authority => "authority",
            Self::Svid => "svid",
            Self::Server => "server",
            Self::Health => "health",
            Self::Log => "log",
            Self::Audit => "audit",
            Self::Binding => "binding",
            Self::Explanation => "explanation",
        }
    }

    /// The resource of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource| resource.name() == name)
    }

    /// Whether it is the trust domain's as a whole, so that no part of it lies in a scope that restricts anything.
    pub fn is_whole(self) -> bool {
        match self {
            Self::Agent | Self::JoinToken | Self::Entry | Self::FederatedBundle | Self::Relationship | Self::Svid => {
                false
            }
            Self::Bundle
            | Self::Authority
            | Self::Server
            | Self::Health
            | Self::Log
            | Self::Audit
            | Self::Binding
            | Self::Explanation => true,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
