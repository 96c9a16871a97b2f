//! Bindings: who has which role, where, and when.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::role::Role;
use super::scope::Scope;
use super::subject::{Subject, Who};

/// Who has which role, where, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its name, which decisions and audit records tell.
    pub name: String,
    /// The role.
    pub role: Role,
    /// Whom it is for: any of these.
    pub subjects: Vec<Subject>,
    /// Where the role counts.
    pub scope: Scope,
    /// What its holder may grant; nothing by default.
    pub grants: Option<Grants>,
    /// From when on it counts.
    pub not_before: Option<Timestamp>,
    /// Until when it counts.
    pub not_after: Option<Timestamp>,
    /// Why it was given.
    pub reason: String,
}

/// What a `policy-admin` may grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    /// The roles.
    pub roles: BTreeSet<Role>,
    /// Within this scope.
    pub scope: Scope,
}

impl Binding {
    /// Whether it is for this caller.
    pub fn is_for(&self, who: &Who<'_>) -> bool {
        self.subjects.iter().any(|subject| subject.is(who))
    }

    /// Whether it counts at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|from| from <= now) && self.not_after.is_none_or(|until| now < until)
    }
}
