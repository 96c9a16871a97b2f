//! The index itself: pure, changed by `apply_…` only.

mod candidates;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use steeple_types::{AttestedNode, Entry, EntryId, SpiffeId, TrustDomain};

use super::state_hash::StateHash;

pub(crate) use self::candidates::{Found, Search};

/// Entries of the same parent or SPIFFE ID, in order of their IDs.
type Siblings = BTreeMap<EntryId, Arc<Entry>>;

/// Most entries that are remembered when they are gone.
const MAX_REMOVED: usize = 256;

/// Entries by ID, parent and SPIFFE ID, nodes by ID.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    entries: HashMap<EntryId, Arc<Entry>>,
    children: HashMap<SpiffeId, Siblings>,
    by_spiffe_id: HashMap<SpiffeId, Siblings>,
    nodes: HashMap<SpiffeId, Arc<AttestedNode>>,
    /// Entries that were taken out, the last one first, to tell of them to who misses them.
    removed: VecDeque<Arc<Entry>>,
    hash: StateHash,
}

impl Index {
    /// Puts an entry in the place of the one with its ID, or takes that out.
    pub(crate) fn apply_entry(&mut self, id: &EntryId, entry: Option<Entry>) {
        self.removed.retain(|removed| removed.id != *id);
        if let Some(old) = self.entries.remove(id) {
            self.hash.toggle_entry(&old);
            remove(&mut self.children, &old.parent_id, id);
            remove(&mut self.by_spiffe_id, &old.spiffe_id, id);
            if entry.is_none() {
                self.removed.truncate(MAX_REMOVED - 1);
                self.removed.push_front(old);
            }
        }
        if let Some(entry) = entry {
            self.hash.toggle_entry(&entry);
            let entry = Arc::new(entry);
            self.children.entry(entry.parent_id.clone()).or_default().insert(id.clone(), Arc::clone(&entry));
            self.by_spiffe_id.entry(entry.spiffe_id.clone()).or_default().insert(id.clone(), Arc::clone(&entry));
            self.entries.insert(id.clone(), entry);
        }
    }

    /// Puts a node in the place of the one with its ID, or takes that out.
    pub(crate) fn apply_node(&mut self, id: &SpiffeId, node: Option<AttestedNode>) {
        if let Some(old) = self.nodes.remove(id) {
            self.hash.toggle_node(&old);
        }
        if let Some(node) = node {
            self.hash.toggle_node(&node);
            self.nodes.insert(id.clone(), Arc::new(node));
        }
    }

    /// Takes over what `older` remembers of entries that are gone.
    pub(crate) fn remember(&mut self, older: &mut Self) {
        self.removed = std::mem::take(&mut older.removed);
    }

    /// The hash over all records.
    pub(crate) fn hash(&self) -> StateHash {
        self.hash
    }

    /// The node `id`.
    pub(crate) fn node(&self, id: &SpiffeId) -> Option<&Arc<AttestedNode>> {
        self.nodes.get(id)
    }

    /// How many nodes there are.
    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// How many entries there are.
    pub(crate) fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// Whether an entry federates with a trust domain that is not among `known`.
    pub(crate) fn federates_beyond(&self, known: &[TrustDomain]) -> bool {
        self.entries.values().any(|entry| entry.federates_with.iter().any(|name| !known.contains(name)))
    }

    /// The entries of a SPIFFE ID.
    pub(crate) fn entries_of(&self, spiffe_id: &SpiffeId) -> impl Iterator<Item = &Arc<Entry>> {
        self.by_spiffe_id.get(spiffe_id).into_iter().flat_map(Siblings::values)
    }

    /// The entries that `agent` is authorised for: those below its ID and below the aliases that its selectors give it,
    /// however deep. Aliases themselves are not among them.
    pub(crate) fn authorized(&self, agent: &SpiffeId) -> Vec<Arc<Entry>> {
        let mut found = Vec::new();
        let mut seen: HashSet<&SpiffeId> = HashSet::from([agent]);
        let mut parents = vec![agent];
        if let Some(node) = self.nodes.get(agent) {
            for alias in self.aliases(agent) {
                if node.selectors.is_superset(&alias.selectors) && seen.insert(&alias.spiffe_id) {
                    parents.push(&alias.spiffe_id);
                }
            }
        }
        while let Some(parent) = parents.pop() {
            for entry in self.children.get(parent).into_iter().flat_map(BTreeMap::values) {
                found.push(Arc::clone(entry));
                if seen.insert(&entry.spiffe_id) {
                    parents.push(&entry.spiffe_id);
                }
            }
        }
        found
    }

    /// The entry `id`, if `agent` is authorised for it.
    ///
    /// The parents are walked upwards, so that the cost grows with the depth and not with what the agent may have.
    pub(crate) fn authorized_entry(&self, agent: &SpiffeId, id: &EntryId) -> Option<Arc<Entry>> {
        self.entries.get(id).filter(|entry| self.is_authorized(agent, entry)).cloned()
    }

    /// Whether `agent` is authorised for an entry with the parent of `entry`.
    fn is_authorized(&self, agent: &SpiffeId, entry: &Entry) -> bool {
        let node = self.nodes.get(agent);
        let is_alias = |above: &Entry| {
            above.is_node_alias() && node.is_some_and(|node| node.selectors.is_superset(&above.selectors))
        };
        let mut seen: HashSet<&SpiffeId> = HashSet::from([&entry.parent_id]);
        let mut parents = vec![&entry.parent_id];
        while let Some(parent) = parents.pop() {
            if parent == agent {
                return true;
            }
            for above in self.entries_of(parent) {
                if is_alias(above) {
                    return true;
                }
                if seen.insert(&above.parent_id) {
                    parents.push(&above.parent_id);
                }
            }
        }
        false
    }

    /// Node aliases of the agent's trust domain.
    fn aliases(&self, agent: &SpiffeId) -> impl Iterator<Item = &Arc<Entry>> {
        let server = agent.trust_domain().server_id();
        self.children.get(&server).into_iter().flat_map(Siblings::values)
    }
}

fn remove(groups: &mut HashMap<SpiffeId, Siblings>, of: &SpiffeId, id: &EntryId) {
    if let Some(siblings) = groups.get_mut(of) {
        siblings.remove(id);
        if siblings.is_empty() {
            groups.remove(of);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use steeple_types::SelectorSet;

    use super::*;

    pub(super) fn id(path: &str) -> SpiffeId {
        SpiffeId::parse(&format!("spiffe://example.org{path}")).unwrap()
    }

    fn selectors(texts: &[&str]) -> SelectorSet {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    pub(super) fn entry(entry_id: &str, spiffe_id: &str, parent: &str, by: &[&str]) -> Entry {
        let entry_id = EntryId::parse(entry_id).unwrap();
        Entry::new(entry_id, id(spiffe_id), id(parent), selectors(by), Timestamp::UNIX_EPOCH)
    }

    fn node(path: &str, by: &[&str]) -> AttestedNode {
        AttestedNode {
            id: id(path),
            attestation_type: "x".into(),
            serial_number: "1".into(),
            expires_at: None,
            new_serial_number: String::new(),
            new_expires_at: None,
            can_reattest: true,
            agent_version: String::new(),
            selectors: selectors(by),
        }
    }

    pub(super) fn index() -> Index {
        let mut index = Index::default();
        for entry in [
            entry("direct", "/direct", "/spire/agent/a", &["unix:uid:1"]),
            entry("below", "/below", "/direct", &["unix:uid:2"]),
            entry("alias", "/group", "/spire/server", &["x:zone:1"]),
            entry("grouped", "/grouped", "/group", &["unix:uid:3"]),
            entry("loop", "/direct", "/below", &["unix:uid:4"]),
            entry("elsewhere", "/elsewhere", "/spire/agent/b", &["unix:uid:5"]),
        ] {
            let id = entry.id.clone();
            index.apply_entry(&id, Some(entry));
        }
        for node in [node("/spire/agent/a", &["x:zone:1", "x:rack:2"]), node("/spire/agent/b", &["x:zone:2"])] {
            let id = node.id.clone();
            index.apply_node(&id, Some(node));
        }
        index
    }

    fn names(index: &Index, agent: &str) -> Vec<String> {
        let mut names: Vec<String> = index.authorized(&id(agent)).iter().map(|entry| entry.id.to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn agents_get_what_is_below_them_and_their_aliases() {
        let index = index();
        assert_eq!(names(&index, "/spire/agent/a"), ["below", "direct", "grouped", "loop"]);
        assert_eq!(names(&index, "/spire/agent/b"), ["elsewhere"]);
    }

    #[test]
    fn walks_up_and_down_agree() {
        let index = index();
        for agent in ["/spire/agent/a", "/spire/agent/b", "/spire/agent/none"] {
            let down = names(&index, agent);
            let ids = index.entries.keys();
            let mut up: Vec<String> = ids
                .filter(|entry| index.authorized_entry(&id(agent), entry).is_some())
                .map(ToString::to_string)
                .collect();
            up.sort();
            assert_eq!(up, down, "{agent}");
        }
    }

    #[test]
    fn changes_take_effect_and_single_look_ups_agree() {
        let mut index = index();
        let (agent, grouped) = (id("/spire/agent/a"), EntryId::parse("grouped").unwrap());
        assert!(index.authorized_entry(&agent, &grouped).is_some());
        assert!(index.authorized_entry(&id("/spire/agent/b"), &grouped).is_none());
        index.apply_node(&agent, Some(node("/spire/agent/a", &[])));
        assert!(index.authorized_entry(&agent, &grouped).is_none());
        let direct = EntryId::parse("direct").unwrap();
        index.apply_entry(&direct, None);
        assert_eq!(names(&index, "/spire/agent/a"), Vec::<String>::new());
        assert!(index.authorized_entry(&agent, &EntryId::parse("alias").unwrap()).is_none());
    }

    #[test]
    fn hash_is_that_of_the_records_whatever_happened_to_them() {
        let (before, mut changed) = (index(), index());
        assert_eq!(before.hash(), changed.hash());
        assert_ne!(before.hash(), Index::default().hash());
        let (direct, agent) = (EntryId::parse("direct").unwrap(), id("/spire/agent/a"));
        let original = Entry::clone(&changed.entries[&direct]);
        let mut hashes = vec![before.hash().to_string()];
        for entry in [
            Some(Entry { hint: "h".to_owned(), ..original.clone() }),
            Some(Entry { dns_names: vec!["h".to_owned()], ..original.clone() }),
            Some(Entry { revision_number: 1, ..original.clone() }),
            Some(Entry { federates_with: vec![id("/x").trust_domain()], ..original.clone() }),
            None,
        ] {
            changed.apply_entry(&direct, entry);
            hashes.push(changed.hash().to_string());
        }
        changed.apply_entry(&direct, Some(original));
        assert_eq!(changed.hash(), before.hash());
        changed.apply_node(&agent, Some(node("/spire/agent/a", &["x:zone:1"])));
        hashes.push(changed.hash().to_string());
        changed.apply_node(&agent, None);
        hashes.push(changed.hash().to_string());
        changed.apply_node(&agent, Some(node("/spire/agent/a", &["x:zone:1", "x:rack:2"])));
        assert_eq!(changed.hash(), before.hash());
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count, "two states have the same hash");
    }
}
