//! Separation of duties: roles that nobody may have together.

use super::binding::Binding;
use super::role::Role;

const APART: [(Role, Role); 2] = [(Role::PolicyAdmin, Role::Auditor), (Role::AuthorityAdmin, Role::BackupOperator)];

/// Two roles of `roles` that nobody may have together.
pub fn conflict(roles: &[Role]) -> Option<(Role, Role)> {
    APART.into_iter().find(|(one, other)| roles.contains(one) && roles.contains(other))
}

/// Two bindings that give one subject roles that nobody may have together.
pub(crate) fn conflicting<'a>(bindings: &'a [&'a Binding]) -> Option<(&'a Binding, &'a Binding)> {
    for (at, one) in bindings.iter().enumerate() {
        for other in bindings.iter().skip(at + 1) {
            let together = one.subjects.iter().any(|own| other.subjects.iter().any(|others| own.overlaps(others)));
            if conflict(&[one.role, other.role]).is_some() && together {
                return Some((one, other));
            }
        }
    }
    None
}
