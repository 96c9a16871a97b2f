//! Variables while rendering.

use crate::value::Value;

/// Variables in scope, innermost last.
pub(crate) struct Scope<'t, 'a> {
    variables: Vec<(&'t str, Value<'a>)>,
}

impl<'t, 'a> Scope<'t, 'a> {
    /// A scope in which `$` is `data`.
    pub(crate) fn of(data: Value<'a>) -> Self {
        Self { variables: vec![("$", data)] }
    }

    pub(crate) fn mark(&self) -> usize {
        self.variables.len()
    }

    pub(crate) fn leave(&mut self, mark: usize) {
        self.variables.truncate(mark);
    }

    pub(crate) fn declare(&mut self, name: &'t str, value: Value<'a>) {
        self.variables.push((name, value));
    }

    /// False when there is no such variable.
    pub(crate) fn assign(&mut self, name: &str, value: Value<'a>) -> bool {
        let found = self.variables.iter_mut().rev().find(|(known, _)| *known == name);
        found.map(|(_, known)| *known = value).is_some()
    }

    pub(crate) fn look_up(&self, name: &str) -> Option<&Value<'a>> {
        self.variables.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}
