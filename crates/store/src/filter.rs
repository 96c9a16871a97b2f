//! Which records a list holds, and which part of it.

use jiff::Timestamp;
use steeple_types::{Entry, SelectorSet, SpiffeId, TrustDomain};

/// How the set of a record compares to the set that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// Both are equal.
    Exact,
    /// The record's is part of what was asked for, and not empty.
    Subset,
    /// The record's holds all that was asked for.
    Superset,
    /// Both share something.
    Any,
}

impl Match {
    /// Compares two sets without repetitions.
    pub fn holds<T: PartialEq>(self, record: &[T], asked: &[T]) -> bool {
        let within = |a: &[T], b: &[T]| a.iter().all(|item| b.contains(item));
        match self {
            Self::Exact => record.len() == asked.len() && within(record, asked),
            Self::Subset => !record.is_empty() && within(record, asked),
            Self::Superset => within(asked, record),
            Self::Any => record.iter().any(|item| asked.contains(item)),
        }
    }
}

/// Trust domains asked for, and how an entry's compare to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustDomainMatch {
    /// Without repetition.
    pub trust_domains: Vec<TrustDomain>,
    /// How they compare.
    pub behavior: Match,
}

/// Which entries; a part that is `None` lets all through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Entries of this parent.
    pub parent_id: Option<SpiffeId>,
    /// Entries of this SPIFFE ID.
    pub spiffe_id: Option<SpiffeId>,
    /// Entries whose selectors compare so.
    pub selectors: Option<(SelectorSet, Match)>,
    /// Entries whose federated trust domains compare so.
    pub federates_with: Option<TrustDomainMatch>,
    /// Entries with this hint.
    pub hint: Option<String>,
    /// Only downstream entries when true; `Some(false)` lets all through, as in SPIRE.
    pub downstream: Option<bool>,
}

impl EntryFilter {
    /// Whether `entry` passes.
    pub fn passes(&self, entry: &Entry) -> bool {
        self.parent_id.as_ref().is_none_or(|id| *id == entry.parent_id)
            && self.spiffe_id.as_ref().is_none_or(|id| *id == entry.spiffe_id)
            && self.hint.as_ref().is_none_or(|hint| *hint == entry.hint)
            && (entry.downstream || self.downstream != Some(true))
            && self.selectors.as_ref().is_none_or(|(set, how)| how.holds(entry.selectors.as_slice(), set.as_slice()))
            && self
                .federates_with
                .as_ref()
                .is_none_or(|asked| asked.behavior.holds(&entry.federates_with, &asked.trust_domains))
    }
}

/// Which attested nodes; a part that is `None` lets all through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFilter {
    /// Nodes attested by this attestor.
    pub attestation_type: Option<String>,
    /// Nodes that are, or are not, banned.
    pub banned: Option<bool>,
    /// Nodes that can, or can't, attest again.
    pub can_reattest: Option<bool>,
    /// Nodes whose selectors compare so.
    pub selectors: Option<(SelectorSet, Match)>,
    /// Nodes whose SVID expires before this time.
    pub expires_before: Option<Timestamp>,
}

/// Which part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Most records of the page; 0 is no limit.
    pub size: usize,
    /// Where the page begins: the token of the page before, empty for the first.
    pub token: String,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paged<T> {
    /// The records in the order in which they were made.
    pub items: Vec<T>,
    /// Where the next page begins; empty when the page is empty or was not limited.
    pub next_token: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_compare_as_asked() {
        let cases = [
            (Match::Exact, [false, true, false]),
            (Match::Subset, [true, true, false]),
            (Match::Superset, [false, true, true]),
        ];
        for (how, expected) in cases {
            let found = [&[1][..], &[2, 1], &[1, 2, 3]].map(|record| how.holds(record, &[1, 2]));
            assert_eq!(found, expected, "{how:?}");
        }
        assert!(!Match::Subset.holds(&[], &[1]), "a record without any is no part");
        assert!(Match::Any.holds(&[3, 1], &[1]) && !Match::Any.holds(&[3], &[1]));
    }
}
