//! Why a workload has no identity, or which it has: a pure judgement over what an agent and a server know.

mod cause;
mod facts;
mod fix;
mod judge;
mod known;
mod nearest;
mod redact;
pub mod wire;

pub use cause::{Cause, Finding};
pub use facts::{
    AgentFacts, AtAgent, Attested, Candidate, Facts, NodeFacts, NodeState, Parentage, RefusalReason, RefusedCall,
    ServerFacts, SvidState, Trouble, Wanted, Workload,
};
pub use judge::explain;
pub use nearest::{Distance, Kinds, Missing, missing};
pub use redact::{Redact, is_secret, without_value, without_values};

/// Most entries that are told of.
pub const MAX_CANDIDATES: usize = 20;
