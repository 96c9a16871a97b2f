//! How near entries are to a workload.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;
use steeple_types::{Entry, EntryId, Selector, SelectorSet};

/// Longest part of a value that is compared letter by letter.
const COMPARED: usize = 64;

/// The type of selectors by which servers make the alias of an agent that joins by a token; no workload has any.
const OF_TOKENS: &str = "spiffe_id";
/// The weight of what has nothing to do with a workload.
const UNRELATED: usize = 8;

/// A selector that is wanted and is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The selector.
    pub wanted: Selector,
    /// What is there of the same kind and key that is nearest to it.
    pub nearest: Option<Selector>,
}

/// What of `wanted` is not among `has`.
pub fn missing(wanted: &SelectorSet, has: &SelectorSet) -> Vec<Missing> {
    let absent = wanted.iter().filter(|selector| !has.contains(selector));
    absent.map(|wanted| Missing { wanted: wanted.clone(), nearest: nearest(wanted, has).cloned() }).collect()
}

fn nearest<'a>(wanted: &Selector, has: &'a SelectorSet) -> Option<&'a Selector> {
    let alike = has.iter().filter(|one| one.kind() == wanted.kind() && key(one) == key(wanted));
    alike.min_by_key(|one| (Reverse(shared_parts(one, wanted)), edits(one.value(), wanted.value())))
}

/// What a selector is about: the first part of its value, such as `uid` or `pod-label`.
pub(crate) fn key(selector: &Selector) -> &str {
    parts(selector.value()).next().unwrap_or_default()
}

fn parts(value: &str) -> impl Iterator<Item = &str> {
    value.split([':', '='])
}

fn shared_parts(one: &Selector, other: &Selector) -> usize {
    parts(one.value()).zip(parts(other.value())).take_while(|(one, other)| one == other).count()
}

/// How many letters differ between two texts: insertions, deletions and replacements.
pub(crate) fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(COMPARED).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().take(COMPARED).enumerate() {
        let mut above_left = line;
        let mut left = line + 1;
        let mut next = vec![left];
        for (above, there) in row.iter().skip(1).zip(&other) {
            left = (above_left + usize::from(letter != *there)).min(above + 1).min(left + 1);
            above_left = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Which types of selectors can be there at all.
#[derive(Clone, Debug, Default)]
pub struct Kinds {
    /// Types whose attestors failed.
    pub failed: BTreeSet<String>,
    /// Types whose attestors are configured; `None` when that is not known.
    pub configured: Option<BTreeSet<String>>,
}

impl Kinds {
    pub(crate) fn is_not_configured(&self, kind: &str) -> bool {
        self.configured.as_ref().is_some_and(|configured| !configured.contains(kind))
    }

    fn weight(&self, missing: &Missing, has: &SelectorSet) -> usize {
        let kind = missing.wanted.kind();
        if kind == OF_TOKENS {
            UNRELATED
        } else if self.failed.contains(kind) {
            1
        } else if missing.nearest.is_some() || self.is_not_configured(kind) {
            2
        } else if has.iter().any(|one| one.kind() == kind) || self.configured.is_some() {
            4
        } else {
            UNRELATED
        }
    }
}

/// How far an entry is from a workload, the nearest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Distance {
    steps: usize,
    matched: Reverse<usize>,
    edits: usize,
    created: Reverse<Timestamp>,
    id: EntryId,
}

impl Distance {
    /// The distance of `entry` from a workload that has these selectors. `steps` counts what else is in the way.
    pub fn of(entry: &Entry, has: &SelectorSet, kinds: &Kinds, steps: usize) -> Self {
        let missing = missing(&entry.selectors, has);
        let edits = missing.iter().map(|one| match &one.nearest {
            Some(nearest) => edits(nearest.value(), one.wanted.value()),
            None => COMPARED,
        });
        Self {
            steps: steps + missing.iter().map(|one| kinds.weight(one, has)).sum::<usize>(),
            matched: Reverse(entry.selectors.len() - missing.len()),
            edits: edits.sum(),
            created: Reverse(entry.created_at),
            id: entry.id.clone(),
        }
    }

    /// Whether the entry has anything to do with the workload.
    pub fn is_related(&self) -> bool {
        self.matched.0 > 0 || self.steps < UNRELATED
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(texts: &[&str]) -> SelectorSet {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn nearest_is_of_the_same_key_and_label() {
        let has = set(&["k8s:pod-label:app:api", "k8s:pod-label:tier:web", "k8s:ns:web", "unix:uid:1000"]);
        let of = |wanted: &str| missing(&set(&[wanted]), &has)[0].nearest.as_ref().map(ToString::to_string);
        assert_eq!(of("k8s:pod-label:app:web").unwrap(), "k8s:pod-label:app:api");
        assert_eq!(of("k8s:pod-label:teir:web").unwrap(), "k8s:pod-label:tier:web");
        assert_eq!(of("k8s:ns:wob").unwrap(), "k8s:ns:web");
        assert_eq!(of("k8s:sa:web"), None);
        assert_eq!(of("docker:ns:web"), None);
        assert!(missing(&set(&["k8s:ns:web"]), &has).is_empty());
    }

    #[test]
    fn edits_are_counted() {
        for (one, other, count) in
            [("", "", 0), ("abc", "abc", 0), ("1000", "1001", 1), ("web", "", 3), ("ab", "ba", 2)]
        {
            assert_eq!((edits(one, other), edits(other, one)), (count, count), "{one} {other}");
        }
    }

    #[test]
    fn what_is_nearer_comes_first() {
        let has = set(&["unix:uid:1000", "unix:gid:50"]);
        let entry = |id: &str, wanted: &[&str]| {
            let spiffe_id = steeple_types::SpiffeId::parse("spiffe://example.org/w").unwrap();
            let id = EntryId::parse(id).unwrap();
            Entry::new(id, spiffe_id.clone(), spiffe_id, set(wanted), Timestamp::UNIX_EPOCH)
        };
        let mut entries = [
            entry("other", &["docker:label:a:b", "docker:label:c:d"]),
            entry("far", &["unix:uid:77", "unix:gid:77"]),
            entry("near", &["unix:uid:1001"]),
            entry("nearer", &["unix:uid:1001", "unix:gid:50"]),
            entry("fits", &["unix:uid:1000"]),
        ];
        let kinds = Kinds::default();
        entries.sort_by_cached_key(|entry| Distance::of(entry, &has, &kinds, 0));
        assert_eq!(entries.each_ref().map(|entry| entry.id.as_str()), ["fits", "nearer", "near", "far", "other"]);
        assert!(!Distance::of(&entries[4], &has, &kinds, 0).is_related());
    }

    proptest! {
        #[test]
        fn edits_are_a_metric(a in "[ab]{0,6}", b in "[ab]{0,6}", c in "[ab]{0,6}") {
            prop_assert_eq!(edits(&a, &b), edits(&b, &a));
            prop_assert_eq!(edits(&a, &b) == 0, a == b);
            prop_assert!(edits(&a, &c) <= edits(&a, &b) + edits(&b, &c));
        }
    }
}
