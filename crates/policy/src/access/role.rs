//! Roles: fixed sets of what may be done to what.

use std::fmt;

use super::action::{Action, Resource};

/// A role. What each may do is [`Role::may`]; where, the scope of its binding says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the summaries say it")]
pub enum Role {
    Viewer,
    Auditor,
    EntryEditor,
    NamespaceEditor,
    NodeOperator,
    AttestationAdmin,
    FederationAdmin,
    AuthorityOperator,
    AuthorityAdmin,
    BackupOperator,
    PolicyAdmin,
    KeyCustodian,
    ServerOperator,
    BreakGlass,
    Agent,
    Downstream,
    Controller,
    OidcProvider,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Viewer,
        Self::Auditor,
        Self::EntryEditor,
        Self::NamespaceEditor,
        Self::NodeOperator,
        Self::AttestationAdmin,
        Self::FederationAdmin,
        Self::AuthorityOperator,
        Self::AuthorityAdmin,
        Self::BackupOperator,
        Self::PolicyAdmin,
        Self::KeyCustodian,
        Self::ServerOperator,
        Self::BreakGlass,
        Self::Agent,
        Self::Downstream,
        Self::Controller,
        Self::OidcProvider,
    ];

    /// The name in configuration, logs and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Auditor => "auditor",
            Self::EntryEditor => "entry-editor",
            Self::NamespaceEditor => "namespace-editor",
            Self::NodeOperator => "node-operator",
            Self::AttestationAdmin => "attestation-admin",
            Self::FederationAdmin => "federation-admin",
            Self::AuthorityOperator => "authority-operator",
            Self::AuthorityAdmin => "authority-admin",
            Self::BackupOperator => "backup-operator",
            Self::PolicyAdmin => "policy-admin",
            Self::KeyCustodian => "key-custodian",
            Self::ServerOperator => "server-operator",
            Self::BreakGlass => "break-glass",
            Self::Agent => "agent",
            Self::Downstream => "downstream",
            Self::Controller => "controller",
            Self::OidcProvider => "oidc-provider",
        }
    }

    /// The role of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What it is for, in a few words.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Viewer => "reads agents, entries, bundles, relationships, authorities and the server's facts",
            Self::Auditor => "reads the audit log and the bindings",
            Self::EntryEditor => "reads and writes entries",
            Self::NamespaceEditor => "reads and writes entries of namespaces; its scope must name paths and namespaces",
            Self::NodeOperator => "reads, evicts and bans agents",
            Self::AttestationAdmin => "makes join tokens, reads and evicts agents",
            Self::FederationAdmin => "reads and writes relationships and bundles of other trust domains",
            Self::AuthorityOperator => "reads, prepares and activates authorities",
            Self::AuthorityAdmin => "taints and revokes authorities too, and adds roots to the bundle",
            Self::BackupOperator => "reads the server's facts; backups have no RPC yet",
            Self::PolicyAdmin => "reads, creates and deletes bindings, within its grants",
            Self::KeyCustodian => "mints SVIDs and reads authorities",
            Self::ServerOperator => "reads the server's facts and sets the level of its log",
            Self::BreakGlass => "does everything but grant; needs a reason and an end",
            Self::Agent => "what attested agents do for themselves; the server gives it",
            Self::Downstream => "what downstream servers do for themselves; the server gives it by entry",
            Self::Controller => "reads and writes entries, relationships and federated bundles",
            Self::OidcProvider => "reads bundles",
        }
    }

    /// Whether a binding may give it. The others the server gives by itself.
    pub fn is_bindable(self) -> bool {
        !matches!(self, Self::Agent | Self::Downstream)
    }

    /// Whether the role may do `action` to `resource` at all.
    pub fn may(self, action: Action, resource: Resource) -> bool {
        use Action as A;
        use Resource as R;
        match self {
            Self::Viewer => {
                let seen = [R::Agent, R::Entry, R::Bundle, R::FederatedBundle, R::Relationship, R::Authority];
                let told = [R::Server, R::Log, R::Explanation];
                action == A::Read && (seen.contains(&resource) || told.contains(&resource))
            }
            Self::Auditor => action == A::Read && matches!(resource, R::Audit | R::Binding),
            Self::EntryEditor | Self::NamespaceEditor => resource == R::Entry && is_write_or_read(action),
            Self::NodeOperator => resource == R::Agent && matches!(action, A::Read | A::Delete | A::Ban),
            Self::AttestationAdmin => match resource {
                R::JoinToken => action == A::Create,
                R::Agent => matches!(action, A::Read | A::Delete),
                _ => false,
            },
            Self::FederationAdmin => match resource {
                R::FederatedBundle => is_write_or_read(action),
                R::Relationship => is_write_or_read(action) || action == A::Refresh,
                R::Bundle => action == A::Read,
                _ => false,
            },
            Self::AuthorityOperator => resource == R::Authority && matches!(action, A::Read | A::Rotate),
            Self::AuthorityAdmin => match resource {
                R::Authority => matches!(action, A::Read | A::Rotate | A::Taint | A::Revoke),
                R::Bundle => matches!(action, A::Read | A::Import),
                R::Binding => action == A::Approve,
                _ => false,
            },
            Self::BackupOperator => resource == R::Server && action == A::Read,
            Self::PolicyAdmin => {
                resource == R::Binding && matches!(action, A::Read | A::Create | A::Delete | A::Approve)
            }
            Self::KeyCustodian => match resource {
                R::Svid => action == A::Mint,
                R::Authority => action == A::Read,
                _ => false,
            },
            Self::ServerOperator => match resource {
                R::Server => action == A::Read,
                R::Log => matches!(action, A::Read | A::Update),
                _ => false,
            },
            Self::BreakGlass => action != A::Act && (resource != R::Binding || action == A::Read),
            Self::Agent | Self::Downstream => action == A::Act,
            Self::Controller => match resource {
                R::Entry | R::Relationship | R::FederatedBundle => is_write_or_read(action),
                R::Bundle => action == A::Read,
                _ => false,
            },
            Self::OidcProvider => action == A::Read && matches!(resource, R::Bundle | R::FederatedBundle),
        }
    }
}

fn is_write_or_read(action: Action) -> bool {
    matches!(action, Action::Read | Action::Create | Action::Update | Action::Delete)
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_nobody_but_break_glass_may_do_everything() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(role));
        }
        for action in Action::ALL {
            assert_eq!(Action::from_name(action.name()), Some(action));
            for resource in Resource::ALL {
                assert_eq!(Resource::from_name(resource.name()), Some(resource));
                let grants = resource == Resource::Binding && action != Action::Read;
                assert_eq!(Role::BreakGlass.may(action, resource), action != Action::Act && !grants);
            }
        }
        assert!(!Role::NodeOperator.may(Action::Create, Resource::Entry));
        assert!(!Role::AuthorityOperator.may(Action::Taint, Resource::Authority));
    }
}
