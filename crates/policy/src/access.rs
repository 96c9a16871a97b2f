//! Scoped rights: bindings of subjects to roles, each within a scope. Deny by default; pure, without I/O.

mod action;
mod binding;
mod decide;
mod draft;
mod grant;
mod object;
mod path;
mod role;
mod scope;
mod separation;
mod subject;

pub use action::{Action, Resource};
pub use binding::{Binding, Grants};
pub use decide::{Asked, Granted, Policy, Refusal, Why};
pub use draft::{BindingDraft, DraftError, GrantsDraft, ScopeDraft, SubjectDraft};
pub use grant::GrantError;
pub use object::{Lifetimes, Object};
pub use path::PathPrefix;
pub use role::Role;
pub use scope::{Dimension, DnsPattern, Flag, Outside, Scope};
pub use separation::conflict;
pub use subject::{Subject, TokenFacts, UnixFacts, Who};
