//! Which services pods stand behind.

use std::collections::{BTreeSet, HashMap};

use crate::object::EndpointsObject;

#[derive(Debug, Default)]
pub(super) struct Services {
    /// By namespace and name of the object.
    objects: HashMap<(String, String), EndpointsObject>,
    /// Names of objects by the namespace and UID of a pod.
    of_pod: HashMap<(String, String), BTreeSet<String>>,
}

impl Services {
    /// Takes an object; yields the UIDs of pods for which it makes a difference.
    pub(super) fn apply(&mut self, object: EndpointsObject) -> BTreeSet<String> {
        let key = (object.namespace.clone(), object.name.clone());
        let old = self.objects.get(&key);
        if old == Some(&object) {
            return BTreeSet::new();
        }
        let same_service = old.is_some_and(|old| old.service == object.service);
        let before = old.map(|old| old.pods.clone()).unwrap_or_default();
        for uid in before.difference(&object.pods) {
            self.forget(&object.namespace, uid, &object.name);
        }
        for uid in &object.pods {
            let of_pod = self.of_pod.entry((object.namespace.clone(), uid.clone())).or_default();
            of_pod.insert(object.name.clone());
        }
        let concerned = if same_service {
            before.symmetric_difference(&object.pods).cloned().collect()
        } else {
            before.union(&object.pods).cloned().collect()
        };
        self.objects.insert(key, object);
        concerned
    }

    /// Drops an object; yields the UIDs of its pods.
    pub(super) fn remove(&mut self, namespace: &str, name: &str) -> BTreeSet<String> {
        let Some(old) = self.objects.remove(&(namespace.to_owned(), name.to_owned())) else { return BTreeSet::new() };
        for uid in &old.pods {
            self.forget(namespace, uid, name);
        }
        old.pods
    }

    /// Services that a pod stands behind, in order of their names.
    pub(super) fn of(&self, namespace: &str, uid: &str) -> Vec<String> {
        let objects = self.of_pod.get(&(namespace.to_owned(), uid.to_owned()));
        let services: BTreeSet<String> = objects
            .into_iter()
            .flatten()
            .filter_map(|name| self.objects.get(&(namespace.to_owned(), name.clone())))
            .map(|object| object.service.clone())
            .collect();
        services.into_iter().collect()
    }

    fn forget(&mut self, namespace: &str, uid: &str, name: &str) {
        let key = (namespace.to_owned(), uid.to_owned());
        if let Some(objects) = self.of_pod.get_mut(&key) {
            objects.remove(name);
            if objects.is_empty() {
                self.of_pod.remove(&key);
            }
        }
    }
}
