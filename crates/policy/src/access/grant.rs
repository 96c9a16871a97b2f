//! Grants: what a holder of a binding may give to others is never wider than what it has to give.

use jiff::Timestamp;

use super::binding::{Binding, Grants};
use super::role::Role;
use super::scope::{Dimension, Scope};
use super::subject::Who;

/// Why a binding can't be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The grantor has nothing to grant.
    #[error("binding {0:?} has no grants block")]
    NothingToGrant(String),
    /// The role is not among those that the grantor may grant.
    #[error("role {role} is not among those that binding {by:?} may grant")]
    Role {
        /// The role.
        role: Role,
        /// The grantor's binding.
        by: String,
    },
    /// The scope is wider than the grantor's.
    #[error("{}: the scope is wider than what binding {by:?} may grant", .dimension.name())]
    Wider {
        /// The first dimension in which it is wider.
        dimension: Dimension,
        /// The grantor's binding.
        by: String,
    },
    /// It would outlive the grantor's binding, or begin before it.
    #[error("the window is wider than that of binding {0:?}")]
    Window(String),
    /// It is for the grantor himself.
    #[error("nobody grants himself a role")]
    Oneself,
    /// It would let its holder grant more than the grantor may.
    #[error("grants: {0}")]
    Onward(Box<GrantError>),
}

impl Binding {
    /// Whether a holder of this binding, who calls as `who`, may give `new` to others.
    ///
    /// # Errors
    /// [`GrantError`] of the first thing in which it is wider.
    pub fn may_grant(&self, new: &Self, who: &Who<'_>) -> Result<(), GrantError> {
        if new.is_for(who) || new.subjects.iter().any(|new| self.subjects.iter().any(|own| own.overlaps(new))) {
            return Err(GrantError::Oneself);
        }
        let own = self.grants.as_ref().ok_or_else(|| GrantError::NothingToGrant(self.name.clone()))?;
        own.has(new.role, &self.name)?;
        // The scope of a policy-admin is that of the bindings, which are the whole's: what it may grant is in its grants.
        if new.role != Role::PolicyAdmin {
            own.covers(&new.scope, &self.name)?;
        }
        if !within(self.not_before, self.not_after, new) {
            return Err(GrantError::Window(self.name.clone()));
        }
        let Some(onward) = &new.grants else { return Ok(()) };
        let roles = onward.roles.iter().try_for_each(|role| own.has(*role, &self.name));
        let onward = roles.and_then(|()| own.covers(&onward.scope, &self.name));
        onward.map_err(|error| GrantError::Onward(Box::new(error)))
    }
}

impl Binding {
    /// Whether a holder of this binding may take `other` away: it is within what he could grant.
    pub fn may_withdraw(&self, other: &Self) -> bool {
        self.grants
            .as_ref()
            .is_some_and(|own| own.has(other.role, &self.name).is_ok() && own.covers(&other.scope, &self.name).is_ok())
    }
}

impl Grants {
    fn has(&self, role: Role, by: &str) -> Result<(), GrantError> {
        if self.roles.contains(&role) { Ok(()) } else { Err(GrantError::Role { role, by: by.to_owned() }) }
    }

    fn covers(&self, scope: &Scope, by: &str) -> Result<(), GrantError> {
        match self.scope.uncovered(scope) {
            Some(dimension) => Err(GrantError::Wider { dimension, by: by.to_owned() }),
            None => Ok(()),
        }
    }
}

fn within(not_before: Option<Timestamp>, not_after: Option<Timestamp>, new: &Binding) -> bool {
    let begins = not_before.is_none_or(|own| new.not_before.is_some_and(|new| new >= own));
    let ends = not_after.is_none_or(|own| new.not_after.is_some_and(|new| new <= own));
    begins && ends
}
