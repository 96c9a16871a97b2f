//! The names for which certificates may be had.

use std::collections::BTreeSet;

/// Names for which certificates may be had, in the form in which DNS has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// These names; those that are none can't be asked for and are left out, as in autocert.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().filter_map(|name| idna::domain_to_ascii_strict(name).ok()).collect())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}
