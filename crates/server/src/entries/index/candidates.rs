//! The entries nearest to a workload, and whether each is below an agent.

use std::cmp::Reverse;
use std::sync::Arc;

use steeple_explain::{Distance, Kinds, MAX_CANDIDATES, Parentage, Wanted, missing};
use steeple_types::{Entry, SelectorSet, SpiffeId};

use super::Index;

/// How many entries are looked at closely, of those that lack the fewest selectors.
const CLOSELY: usize = 10 * MAX_CANDIDATES;
/// How far parents are followed.
const MAX_DEPTH: usize = 8;

/// What is looked for.
pub(crate) struct Search<'a> {
    /// Below which agent.
    pub(crate) agent: Option<&'a SpiffeId>,
    /// What the workload is.
    pub(crate) selectors: &'a SelectorSet,
    /// Which identity was expected.
    pub(crate) wanted: &'a Wanted,
    /// Whether entries count that are not the agent's.
    pub(crate) with_others: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The nearest first: the entry, whether it is below the agent, and whether it is gone.
    pub(crate) candidates: Vec<(Arc<Entry>, Option<Parentage>, bool)>,
    /// How many entries fit that are not the agent's and do not count.
    pub(crate) elsewhere: usize,
}

impl Index {
    /// Looks for the entries that are nearest to a workload.
    pub(crate) fn search(&self, search: &Search<'_>) -> Found {
        let is_own = |entry: &Entry| search.agent.is_none_or(|agent| self.is_authorized(agent, entry));
        let lacks = |entry: &Entry| {
            let count = entry.selectors.iter().filter(|one| !search.selectors.contains(one)).count();
            (count, Reverse(entry.selectors.len() - count))
        };
        let mut elsewhere = 0;
        let mut near = Vec::new();
        for entry in self.entries.values() {
            let lacks = lacks(entry);
            if !search.with_others && !is_own(entry) {
                let fits = lacks.0 == 0 && !entry.selectors.is_empty() && !entry.is_node_alias();
                elsewhere += usize::from(fits && search.wanted.includes(entry));
            } else if search.wanted.includes(entry) {
                near.push((lacks, entry));
            }
        }
        if near.len() > CLOSELY {
            near.select_nth_unstable_by(CLOSELY, |(one, a), (other, b)| (one, &a.id).cmp(&(other, &b.id)));
            near.truncate(CLOSELY);
        }
        let removed = self.removed.iter().filter(|entry| search.wanted.includes(entry));
        let removed = removed.filter(|entry| search.with_others || is_own(entry)).map(|entry| (entry, true));
        let mut candidates = Vec::new();
        for (entry, is_removed) in near.into_iter().map(|(_, entry)| (entry, false)).chain(removed) {
            let parentage = search.agent.map(|agent| self.parentage(agent, entry));
            let is_below = matches!(parentage, None | Some(Parentage::Own));
            let steps = usize::from(is_removed) + if is_below { 0 } else { 3 };
            let distance = Distance::of(entry, search.selectors, &Kinds::default(), steps);
            if search.wanted.is_certain() || distance.is_related() {
                candidates.push((distance, (Arc::clone(entry), parentage, is_removed)));
            }
        }
        candidates.sort_by(|(one, _), (other, _)| one.cmp(other));
        candidates.truncate(MAX_CANDIDATES);
        Found { candidates: candidates.into_iter().map(|(_, candidate)| candidate).collect(), elsewhere }
    }

    /// Whether `entry`, or one with its parent, is below `agent`.
    fn parentage(&self, agent: &SpiffeId, entry: &Entry) -> Parentage {
        if entry.is_node_alias() {
            return Parentage::Nodes;
        }
        if self.is_authorized(agent, entry) {
            return Parentage::Own;
        }
        let mut parent = &entry.parent_id;
        let mut first = None;
        for _ in 0..MAX_DEPTH {
            if self.nodes.contains_key(parent) {
                return first.unwrap_or_else(|| Parentage::OtherAgent(parent.clone()));
            }
            if let Some(alias) = self.mismatch(agent, parent) {
                return alias;
            }
            let Some(above) = self.entries_of(parent).next() else {
                return first.unwrap_or_else(|| Parentage::Nobody(parent.clone()));
            };
            first.get_or_insert_with(|| Parentage::Entry { id: parent.clone(), entry_id: above.id.clone() });
            parent = &above.parent_id;
        }
        first.unwrap_or_else(|| Parentage::Nobody(entry.parent_id.clone()))
    }

    /// The alias `id` whose entry is nearest to fitting the node of `agent`.
    fn mismatch(&self, agent: &SpiffeId, id: &SpiffeId) -> Option<Parentage> {
        let none = SelectorSet::default();
        let has = self.nodes.get(agent).map_or(&none, |node| &node.selectors);
        let aliases = self.entries_of(id).filter(|entry| entry.is_node_alias());
        let nearest = aliases.min_by_key(|alias| Distance::of(alias, has, &Kinds::default(), 0))?;
        let missing = missing(&nearest.selectors, has);
        Some(Parentage::Alias { id: id.clone(), entry_id: nearest.id.clone(), missing })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{entry, id, index};
    use super::*;

    fn search(
        index: &Index,
        agent: &str,
        selectors: &[&str],
        with_others: bool,
    ) -> (Vec<(String, Option<Parentage>, bool)>, usize) {
        let (agent, selectors) = (id(agent), selectors.iter().map(|text| text.parse().unwrap()).collect());
        let wanted = Wanted::default();
        let search = Search { agent: Some(&agent), selectors: &selectors, wanted: &wanted, with_others };
        let found = index.search(&search);
        let told =
            found.candidates.into_iter().map(|(entry, parentage, removed)| (entry.id.to_string(), parentage, removed));
        (told.collect(), found.elsewhere)
    }

    #[test]
    fn nearest_entries_come_with_their_place() {
        let index = index();
        let (found, elsewhere) = search(&index, "/spire/agent/a", &["unix:uid:5"], true);
        let other = Parentage::OtherAgent(id("/spire/agent/b"));
        assert_eq!(found[0], ("below".to_owned(), Some(Parentage::Own), false));
        assert!(found.contains(&("elsewhere".to_owned(), Some(other), false)), "{found:?}");
        assert_eq!(elsewhere, 0);
        let (found, elsewhere) = search(&index, "/spire/agent/a", &["unix:uid:5"], false);
        assert!(found.iter().all(|(entry, ..)| entry != "elsewhere") && !found.is_empty());
        assert_eq!(elsewhere, 1);
    }

    #[test]
    fn what_keeps_an_entry_from_an_agent_is_told() {
        let mut index = index();
        for entry in
            [entry("lost", "/lost", "/nothing", &["unix:uid:9"]), entry("deep", "/deep", "/grouped", &["unix:uid:9"])]
        {
            let id = entry.id.clone();
            index.apply_entry(&id, Some(entry));
        }
        let place = |index: &Index, entry: &str| {
            let (found, _) = search(index, "/spire/agent/b", &["unix:uid:9"], true);
            found.into_iter().find(|(id, ..)| id == entry).and_then(|(_, parentage, _)| parentage)
        };
        assert_eq!(place(&index, "lost"), Some(Parentage::Nobody(id("/nothing"))));
        let Some(Parentage::Alias { entry_id, missing, .. }) = place(&index, "deep") else {
            panic!("not below an alias")
        };
        assert_eq!(entry_id.as_str(), "alias");
        assert_eq!(missing[0].nearest.as_ref().unwrap().to_string(), "x:zone:2");
    }

    #[test]
    fn entries_that_are_gone_are_remembered() {
        let mut index = index();
        let direct = steeple_types::EntryId::parse("direct").unwrap();
        index.apply_entry(&direct, None);
        let (found, _) = search(&index, "/spire/agent/a", &["unix:uid:1"], true);
        assert_eq!(found[0], ("direct".to_owned(), Some(Parentage::Own), true));
        index.apply_entry(&direct, Some(entry("direct", "/direct", "/spire/agent/a", &["unix:uid:1"])));
        let (found, _) = search(&index, "/spire/agent/a", &["unix:uid:1"], true);
        assert_eq!(found.iter().filter(|(id, ..)| id == "direct").count(), 1);
        for number in 0..super::super::MAX_REMOVED + 10 {
            let entry = entry(&format!("e{number}"), "/e", "/spire/agent/a", &["unix:uid:1"]);
            let id = entry.id.clone();
            index.apply_entry(&id, Some(entry));
            index.apply_entry(&id, None);
        }
        assert_eq!(index.removed.len(), super::super::MAX_REMOVED);
    }
}
