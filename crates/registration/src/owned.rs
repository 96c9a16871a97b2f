//! Which of the server's entries are a controller's own, by the prefix of their IDs.

/// What a controller may do with an entry of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// It is the controller's: kept as wanted, removed when not.
    Own,
    /// It is left from a time with another prefix, to be removed.
    CleanUp,
    /// It is somebody else's, and stays as it is.
    Foreign,
}

/// Which of the server's entries are a controller's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedIds {
    /// With its dot; empty when IDs have no prefix.
    prefix: String,
    /// With its dot; empty for IDs without any prefix.
    cleanup: Option<String>,
}

impl OwnedIds {
    /// Of `entryIDPrefix` and `entryIDPrefixCleanup`; `None` when both are the same prefix.
    pub fn new(prefix: &str, cleanup: Option<&str>) -> Option<Self> {
        let owned = Self { prefix: with_dot(prefix), cleanup: cleanup.map(with_dot) };
        let cleans_own = !owned.prefix.is_empty() && owned.cleanup.as_ref() == Some(&owned.prefix);
        (!cleans_own).then_some(owned)
    }

    /// The prefix with its dot, empty when there is none.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The prefix of entries to be removed or taken over, with its dot; empty for those without any.
    pub fn cleanup(&self) -> Option<&str> {
        self.cleanup.as_deref()
    }

    /// What may be done with the entry of this ID. Without a prefix every entry is the controller's, as in
    /// spire-controller-manager; who does not want that marks what it makes.
    pub fn judge(&self, entry_id: &str) -> Ownership {
        if entry_id.starts_with(&self.prefix) {
            return Ownership::Own;
        }
        match self.cleanup.as_deref() {
            Some("") if !entry_id.contains('.') => Ownership::CleanUp,
            Some(cleanup) if !cleanup.is_empty() && entry_id.starts_with(cleanup) => Ownership::CleanUp,
            _ => Ownership::Foreign,
        }
    }
}

fn with_dot(prefix: &str) -> String {
    if prefix.is_empty() || prefix.ends_with('.') { prefix.to_owned() } else { format!("{prefix}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_others_are_left_alone() {
        let owned = OwnedIds::new("scm", None).unwrap();
        assert_eq!(owned.judge("scm.1"), Ownership::Own);
        assert_eq!(owned.judge("scmother"), Ownership::Foreign);
        assert_eq!(owned.judge("1"), Ownership::Foreign);
    }

    #[test]
    fn cleanup_takes_what_another_prefix_or_none_left() {
        let unprefixed = OwnedIds::new("scm", Some("")).unwrap();
        assert_eq!(unprefixed.judge("0f9a"), Ownership::CleanUp);
        assert_eq!(unprefixed.judge("other.0f9a"), Ownership::Foreign);
        let other = OwnedIds::new("scm.", Some("old")).unwrap();
        assert_eq!(other.judge("old.1"), Ownership::CleanUp);
        assert_eq!(other.judge("older"), Ownership::Foreign);
        assert_eq!(OwnedIds::new("scm", Some("scm.")), None);
    }

    #[test]
    fn without_a_prefix_all_is_the_controllers() {
        assert_eq!(OwnedIds::new("", None).unwrap().judge("anything"), Ownership::Own);
    }
}
