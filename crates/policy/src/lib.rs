//! Authorisation: who may call which RPC, by SPIRE's default policy as a table or by scoped rights, and how often.

pub mod access;
mod buckets;
pub mod method;

pub use buckets::Buckets;
pub use method::{AuditClass, Availability};

/// Which callers a method is open to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Callers {
    /// Anybody, with or without an SVID.
    pub any: bool,
    /// Processes on the private socket.
    pub local: bool,
    /// Administrators: SVIDs of entries marked so, or listed in the configuration.
    pub admin: bool,
    /// Downstream servers: SVIDs of entries marked so.
    pub downstream: bool,
    /// Attested agents.
    pub agent: bool,
}

impl Callers {
    /// Nobody.
    pub const NONE: Self = Self { any: false, local: false, admin: false, downstream: false, agent: false };
    /// Anybody.
    pub const ANY: Self = Self { any: true, ..Self::NONE };
    /// Processes on the private socket.
    pub const LOCAL: Self = Self { local: true, ..Self::NONE };
    /// The private socket, and administrators.
    pub const ADMIN: Self = Self { admin: true, ..Self::LOCAL };
    /// Downstream servers.
    pub const DOWNSTREAM: Self = Self { downstream: true, ..Self::NONE };
    /// Attested agents.
    pub const AGENT: Self = Self { agent: true, ..Self::NONE };
    /// The private socket, administrators and attested agents.
    pub const ADMIN_OR_AGENT: Self = Self { agent: true, ..Self::ADMIN };
}

/// What a caller was let in as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// As nobody in particular: the method is open to all.
    Nobody,
    /// As a process on the private socket.
    Local,
    /// As an administrator.
    Admin,
    /// As a downstream server.
    Downstream,
    /// As an attested agent.
    Agent,
}

impl Role {
    /// The name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Local => "local",
            Self::Admin => "admin",
            Self::Downstream => "downstream",
            Self::Agent => "agent",
        }
    }
}

/// What has to be looked at next to decide about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The caller is let in.
    Allow(Role),
    /// The entries of the caller's SPIFFE ID decide: their `admin` flag first, then their `downstream` flag.
    AskEntries,
    /// The node of the caller's SPIFFE ID decides.
    AskNode,
    /// The caller is refused.
    Deny,
}

/// What is known of a caller without a look at the datastore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerFacts {
    /// Whether the call came by the private socket.
    pub is_local: bool,
    /// Whether the caller showed an X.509-SVID.
    pub has_id: bool,
    /// Whether the configuration lists the caller's ID as an administrator's.
    pub is_listed_admin: bool,
}

/// What the entries of a caller's SPIFFE ID say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryFacts {
    /// One of them is marked `admin`.
    pub admin: bool,
    /// One of them is marked `downstream`.
    pub downstream: bool,
}

/// Decides from what is known without a look at the datastore.
pub fn decide(callers: Callers, facts: CallerFacts) -> Decision {
    if callers.any {
        return Decision::Allow(Role::Nobody);
    }
    if callers.local && facts.is_local {
        return Decision::Allow(Role::Local);
    }
    if !facts.has_id {
        return Decision::Deny;
    }
    if callers.admin && facts.is_listed_admin {
        return Decision::Allow(Role::Admin);
    }
    if callers.admin || callers.downstream {
        return Decision::AskEntries;
    }
    if callers.agent { Decision::AskNode } else { Decision::Deny }
}

/// Decides after a look at the entries of the caller's ID.
pub fn decide_by_entries(callers: Callers, entries: EntryFacts) -> Decision {
    if callers.admin && entries.admin {
        return Decision::Allow(Role::Admin);
    }
    if callers.downstream && entries.downstream {
        return Decision::Allow(Role::Downstream);
    }
    if callers.agent { Decision::AskNode } else { Decision::Deny }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMOTE: CallerFacts = CallerFacts { is_local: false, has_id: true, is_listed_admin: false };

    #[test]
    fn first_ground_in_order_lets_in() {
        let local = CallerFacts { is_local: true, ..CallerFacts::default() };
        assert_eq!(decide(Callers::ANY, CallerFacts::default()), Decision::Allow(Role::Nobody));
        assert_eq!(decide(Callers::ADMIN, local), Decision::Allow(Role::Local));
        assert_eq!(decide(Callers::ADMIN, REMOTE), Decision::AskEntries);
        let listed = CallerFacts { is_listed_admin: true, ..REMOTE };
        assert_eq!(decide(Callers::ADMIN, listed), Decision::Allow(Role::Admin));
        assert_eq!(decide(Callers::AGENT, REMOTE), Decision::AskNode);
        let both = EntryFacts { admin: true, downstream: true };
        assert_eq!(decide_by_entries(Callers::ADMIN, both), Decision::Allow(Role::Admin));
        assert_eq!(decide_by_entries(Callers::DOWNSTREAM, both), Decision::Allow(Role::Downstream));
        assert_eq!(decide_by_entries(Callers::ADMIN_OR_AGENT, EntryFacts::default()), Decision::AskNode);
    }

    #[test]
    fn without_ground_nobody_is_let_in() {
        assert_eq!(decide(Callers::NONE, REMOTE), Decision::Deny);
        assert_eq!(decide(Callers::LOCAL, REMOTE), Decision::Deny);
        assert_eq!(decide(Callers::ADMIN, CallerFacts::default()), Decision::Deny);
        assert_eq!(decide(Callers::AGENT, CallerFacts { is_local: true, ..CallerFacts::default() }), Decision::Deny);
        assert_eq!(decide_by_entries(Callers::ADMIN, EntryFacts::default()), Decision::Deny);
    }
}
