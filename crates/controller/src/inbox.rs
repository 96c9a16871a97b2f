//! What was told of objects and waits to be taken up: of each object its latest state.
//!
//! So the queue never has more places than there are objects, however fast they change.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Objects of the kinds `K`, each known by a kind, a namespace and a name.
pub(crate) struct Inbox<K, T> {
    waiting: Mutex<Waiting<K, T>>,
    told: Notify,
}

struct Waiting<K, T> {
    order: VecDeque<Key<K>>,
    latest: HashMap<Key<K>, Option<T>>,
    complete: BTreeSet<K>,
}

/// An object's kind, namespace and name.
pub(crate) type Key<K> = (K, Box<str>, Box<str>);

impl<K: Copy + Eq + Ord + Hash, T> Inbox<K, T> {
    pub(crate) fn new() -> Self {
        let waiting = Waiting { order: VecDeque::new(), latest: HashMap::new(), complete: BTreeSet::new() };
        Self { waiting: Mutex::new(waiting), told: Notify::new() }
    }

    /// An object is so, or is no more.
    pub(crate) fn put(&self, key: Key<K>, object: Option<T>) {
        let mut waiting = self.waiting.lock();
        if waiting.latest.insert(key.clone(), object).is_none() {
            waiting.order.push_back(key);
        }
        drop(waiting);
        self.told.notify_one();
    }

    /// An object that was taken could not be dealt with: it waits again, unless something newer does.
    pub(crate) fn put_back(&self, key: Key<K>, object: T) {
        let mut waiting = self.waiting.lock();
        if !waiting.latest.contains_key(&key) {
            waiting.latest.insert(key.clone(), Some(object));
            waiting.order.push_back(key);
        }
    }

    /// All objects of a kind were put at least once.
    pub(crate) fn complete(&self, kind: K) {
        self.waiting.lock().complete.insert(kind);
        self.told.notify_one();
    }

    /// At most `most` objects, in the order in which they came.
    pub(crate) fn take(&self, most: usize) -> Vec<(Key<K>, Option<T>)> {
        let mut waiting = self.waiting.lock();
        let mut taken = Vec::new();
        while taken.len() < most {
            let Some(key) = waiting.order.pop_front() else { break };
            if let Some(object) = waiting.latest.remove(&key) {
                taken.push((key, object));
            }
        }
        taken
    }

    /// Whether all objects of these kinds were put, and nothing waits.
    pub(crate) fn is_settled(&self, kinds: &BTreeSet<K>) -> bool {
        let waiting = self.waiting.lock();
        waiting.order.is_empty() && kinds.is_subset(&waiting.complete)
    }

    /// How many objects wait.
    pub(crate) fn depth(&self) -> usize {
        self.waiting.lock().order.len()
    }

    /// Waits until something was put since the last wait.
    pub(crate) async fn told(&self) {
        self.told.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key<u8> {
        (1, "ns".into(), name.into())
    }

    #[test]
    fn only_the_latest_state_of_an_object_waits() {
        let inbox = Inbox::new();
        inbox.put(key("a"), Some(1));
        inbox.put(key("b"), Some(2));
        inbox.put(key("a"), Some(3));
        assert_eq!(inbox.depth(), 2);
        assert_eq!(inbox.take(9), [(key("a"), Some(3)), (key("b"), Some(2))]);
        assert_eq!(inbox.depth(), 0);
    }

    #[test]
    fn a_kind_is_settled_when_all_of_it_was_taken() {
        let inbox = Inbox::new();
        let kinds = BTreeSet::from([1]);
        inbox.put(key("a"), None::<()>);
        assert!(!inbox.is_settled(&kinds));
        inbox.complete(1);
        assert!(!inbox.is_settled(&kinds));
        inbox.take(1);
        assert!(inbox.is_settled(&kinds));
    }

    #[tokio::test]
    async fn what_is_put_before_the_wait_is_not_missed() {
        let inbox = Inbox::new();
        inbox.put(key("a"), Some(1));
        inbox.told().await;
    }
}
