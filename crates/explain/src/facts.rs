//! What is known of a workload, of the entries near to it, and of agent and server.

use jiff::Timestamp;
use steeple_types::{AttestedNode, Entry, EntryId, SelectorSet, SpiffeId};

use crate::nearest::Missing;

/// All that a judgement is made of.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The time.
    pub now: Timestamp,
    /// Who it is about.
    pub workload: Workload,
    /// Which identity was expected.
    pub wanted: Wanted,
    /// The entries that may be meant.
    pub entries: Vec<Candidate>,
    /// What the agent knows; none when the server alone was asked.
    pub agent: Option<AgentFacts>,
    /// What the server said.
    pub server: ServerFacts,
    /// The refused call that was asked about.
    pub call: Option<RefusedCall>,
}

/// A workload.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    /// What it is.
    pub selectors: SelectorSet,
    /// What each attestor said; empty when the selectors were given.
    pub attestors: Vec<Attested>,
}

/// What a workload attestor said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// Its name, which is the type of its selectors.
    pub name: String,
    /// How many selectors it gave, or why none.
    pub outcome: Result<usize, String>,
}

/// Which identity was expected; all may be meant when nothing is said.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// That of this entry.
    pub entry_id: Option<EntryId>,
    /// This one.
    pub spiffe_id: Option<SpiffeId>,
}

impl Wanted {
    /// Whether `entry` may be meant.
    pub fn includes(&self, entry: &Entry) -> bool {
        self.entry_id.as_ref().is_none_or(|id| *id == entry.id)
            && self.spiffe_id.as_ref().is_none_or(|id| *id == entry.spiffe_id)
    }

    /// Whether a certain identity was expected.
    pub fn is_certain(&self) -> bool {
        self.entry_id.is_some() || self.spiffe_id.is_some()
    }
}

/// An entry, and how far it gets.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The entry.
    pub entry: Entry,
    /// Whether all of the entry is known; an agent alone does not know its parent, lifetimes and DNS names.
    pub is_whole: bool,
    /// Whether the entry is below the agent; `None` when it is not about an agent.
    pub parentage: Option<Parentage>,
    /// Whether the server has removed it.
    pub removed: bool,
    /// What the agent has of it; `None` when the server alone was asked.
    pub at_agent: Option<AtAgent>,
}

/// Whether an entry is below an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parentage {
    /// It is.
    Own,
    /// Below another agent.
    OtherAgent(SpiffeId),
    /// Below an ID that nothing has.
    Nobody(SpiffeId),
    /// Below an alias that does not fit the agent's node.
    Alias {
        /// The alias.
        id: SpiffeId,
        /// Its entry.
        entry_id: EntryId,
        /// What the node lacks.
        missing: Vec<Missing>,
    },
    /// Below an entry that the agent isn't given either.
    Entry {
        /// The ID that the entry gives.
        id: SpiffeId,
        /// The entry.
        entry_id: EntryId,
    },
    /// It is an alias of nodes itself.
    Nodes,
}

/// What an agent has of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtAgent {
    /// Nothing.
    Absent,
    /// An older or the same revision.
    Present {
        /// Which.
        revision_number: i64,
        /// Its X.509-SVID.
        svid: SvidState,
    },
}

/// What an agent has of an X.509-SVID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SvidState {
    /// It is there.
    Held,
    /// It is not there.
    Missing {
        /// Why the server did not sign it, and when.
        failure: Option<Trouble>,
        /// Whether there is room for it.
        is_kept: bool,
    },
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// What an agent knows of itself.
#[derive(Clone, Debug)]
pub struct AgentFacts {
    /// Its SPIFFE ID.
    pub id: Option<SpiffeId>,
    /// When it heard from its server last.
    pub synced: Option<Timestamp>,
    /// What went wrong since.
    pub sync_error: Option<Trouble>,
    /// What went wrong when SVIDs were asked for last.
    pub svid_error: Option<Trouble>,
    /// Most X.509-SVIDs that it keeps without being asked.
    pub cache_limit: usize,
    /// Whether it offers the Workload API.
    pub workload_api: bool,
    /// Whether it offers SDS.
    pub sds_api: bool,
}

/// What a server said.
#[derive(Clone, Debug)]
pub enum ServerFacts {
    /// It was not asked, since it is none that explains.
    NotAsked,
    /// It did not answer.
    Unreachable(String),
    /// It did.
    Answered {
        /// The agent, if it was asked about one.
        agent: Option<NodeFacts>,
        /// How many entries with another parent fit that it does not tell of.
        elsewhere: usize,
        /// Whether it issues JWT-SVIDs.
        jwt_svids: bool,
    },
}

/// An agent, as its server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its SPIFFE ID.
    pub id: SpiffeId,
    /// Whether it may call.
    pub state: NodeState,
}

/// Whether an agent may call its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It is not known.
    NotAttested,
    /// It may.
    Active,
    /// It was banned.
    Banned,
    /// Its SVID has ended.
    Expired(Timestamp),
}

impl NodeState {
    /// The state of `node` at `now`.
    pub fn of(node: Option<&AttestedNode>, now: Timestamp) -> Self {
        let Some(node) = node else { return Self::NotAttested };
        if node.is_banned() {
            return Self::Banned;
        }
        match node.expires_at.max(node.new_expires_at) {
            Some(end) if end < now => Self::Expired(end),
            _ => Self::Active,
        }
    }
}

/// A call that an agent refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCall {
    /// When.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// Why.
    pub reason: RefusalReason,
}

/// Why an agent refused a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// No entry fits.
    NoIdentity,
    /// Entries fit, but none gives the SPIFFE ID that was asked for.
    NotThisId(String),
    /// The caller could not be attested.
    NotAttested,
    /// Workloads with these selectors called too often.
    TooOften {
        /// How often they may call in a second.
        per_second: u32,
    },
    /// The security header was missing.
    NoHeader,
    /// The server gave no JWT-SVID.
    NoToken(String),
    /// A name of SDS stands for nothing.
    NoSecret(String),
}
