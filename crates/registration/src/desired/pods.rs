//! Pods, and what rules make of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::claims::Claim;
use super::{Desired, Failure, Made, Touched};
use crate::entry::EntryKey;
use crate::object::{NamespaceObject, NodeObject, PodKey, PodObject, RuleKey};
use crate::render::RenderError;

#[derive(Debug)]
pub(super) struct PodState {
    object: Arc<PodObject>,
    outcomes: BTreeMap<RuleKey, Outcome>,
}

/// What a rule makes of a pod that it is for.
#[derive(Clone, Debug)]
enum Outcome {
    Entry(Made),
    Failed(Arc<RenderError>),
    /// The rule is a fallback, and another gives the pod an entry.
    Covered,
}

/// Which rules are asked again about a pod.
pub(super) enum Which<'r> {
    All,
    Rule(&'r RuleKey),
    /// Those that want the names of services.
    OfServices,
}

impl PodState {
    pub(super) fn entries(&self) -> Vec<EntryKey> {
        let entry = |outcome: &Outcome| match outcome {
            Outcome::Entry(entry) => Some(entry.key.clone()),
            _ => None,
        };
        self.outcomes.values().filter_map(entry).collect()
    }

    pub(super) fn failures(&self, pod: &PodKey) -> Vec<Failure> {
        let failure = |(rule, outcome): (&RuleKey, &Outcome)| match outcome {
            Outcome::Failed(reason) => {
                Some(Failure { rule: rule.clone(), pod: pod.clone(), reason: Arc::clone(reason) })
            }
            _ => None,
        };
        self.outcomes.iter().filter_map(failure).collect()
    }
}

impl Desired {
    pub(super) fn pod(&mut self, object: PodObject, touched: &mut Touched) {
        let key = object.key.clone();
        if let Some(known) = self.pods.get(&key) {
            if *known.object == object {
                return;
            }
            // A pod of the same name that is another pod.
            if known.object.uid != object.uid {
                self.pod_gone(&key, touched);
            }
        }
        self.pods_of_namespace.entry(key.namespace.clone()).or_default().insert(key.clone());
        self.pods_by_uid.insert(object.uid.clone(), key.clone());
        let object = Arc::new(object);
        let before = if let Some(known) = self.pods.get_mut(&key) {
            std::mem::replace(&mut known.object, Arc::clone(&object))
        } else {
            let state = PodState { object: Arc::clone(&object), outcomes: BTreeMap::new() };
            self.pods.insert(key.clone(), state);
            Arc::clone(&object)
        };
        if before.node != object.node {
            leave(&mut self.pods_of_node, &before.node, &key);
        }
        self.pods_of_node.entry(object.node.clone()).or_default().insert(key.clone());
        self.evaluate(&key, &Which::All, touched);
    }

    pub(super) fn pod_gone(&mut self, key: &PodKey, touched: &mut Touched) {
        let Some(state) = self.pods.get(key) else { return };
        let object = Arc::clone(&state.object);
        self.replace(key, &BTreeMap::new(), touched);
        self.pods.remove(key);
        self.pods_by_uid.remove(&object.uid);
        leave(&mut self.pods_of_node, &object.node, key);
        leave(&mut self.pods_of_namespace, &key.namespace, key);
    }

    pub(super) fn namespace(&mut self, object: NamespaceObject, touched: &mut Touched) {
        let name = object.name.clone();
        if self.namespaces.get(&name) == Some(&object) {
            return;
        }
        self.namespaces.insert(name.clone(), object);
        self.rechoose(&name, touched);
    }

    pub(super) fn namespace_gone(&mut self, name: &str, touched: &mut Touched) {
        if self.namespaces.remove(name).is_some() {
            self.rechoose(name, touched);
        }
    }

    fn rechoose(&mut self, namespace: &str, touched: &mut Touched) {
        let rules: Vec<RuleKey> = self.rules.usable.keys().cloned().collect();
        let changed: Vec<RuleKey> = rules.into_iter().filter(|rule| self.choose(rule, namespace)).collect();
        for rule in changed {
            touched.rules.insert(rule.clone());
            for pod in self.pods_in(&BTreeSet::from([namespace.to_owned()])) {
                self.evaluate(&pod, &Which::Rule(&rule), touched);
            }
        }
    }

    pub(super) fn node(&mut self, object: NodeObject, touched: &mut Touched) {
        let name = object.name.clone();
        if self.nodes.get(&name) == Some(&object) {
            return;
        }
        self.nodes.insert(name.clone(), object);
        self.pods_on(&name, touched);
    }

    pub(super) fn node_gone(&mut self, name: &str, touched: &mut Touched) {
        if self.nodes.remove(name).is_some() {
            self.pods_on(name, touched);
        }
    }

    fn pods_on(&mut self, node: &str, touched: &mut Touched) {
        let pods: Vec<PodKey> = self.pods_of_node.get(node).into_iter().flatten().cloned().collect();
        for pod in pods {
            self.evaluate(&pod, &Which::All, touched);
        }
    }

    pub(super) fn service_pods(&mut self, uids: &BTreeSet<String>, touched: &mut Touched) {
        let pods: Vec<PodKey> = uids.iter().filter_map(|uid| self.pods_by_uid.get(uid)).cloned().collect();
        for pod in pods {
            self.evaluate(&pod, &Which::OfServices, touched);
        }
    }

    /// Asks rules what they make of a pod. Fallbacks are asked last, as what they make depends on the others.
    pub(super) fn evaluate(&mut self, key: &PodKey, which: &Which<'_>, touched: &mut Touched) {
        let Some(state) = self.pods.get(key) else { return };
        let object = Arc::clone(&state.object);
        let mut rules: Vec<(bool, RuleKey)> = Vec::new();
        if !self.is_ignored(&key.namespace) {
            let fitting = self
                .rules
                .usable
                .iter()
                .filter(|(rule, state)| self.rules.is_for(rule, &key.namespace) && state.rule.takes_pod(&object));
            rules.extend(fitting.map(|(rule, state)| (state.rule.fallback, rule.clone())));
        }
        rules.sort();
        let mut outcomes = BTreeMap::new();
        let mut covered = false;
        for (fallback, rule) in rules {
            let outcome = if fallback && covered { Outcome::Covered } else { self.outcome(key, &object, &rule, which) };
            covered |= !fallback && matches!(outcome, Outcome::Entry(_));
            outcomes.insert(rule, outcome);
        }
        self.replace(key, &outcomes, touched);
    }

    /// What a rule makes of a pod: what it made before, if it need not be asked again.
    fn outcome(&mut self, key: &PodKey, pod: &PodObject, rule: &RuleKey, which: &Which<'_>) -> Outcome {
        let before = self.pods.get(key).and_then(|state| state.outcomes.get(rule));
        let Some(state) = self.rules.usable.get(rule) else { return Outcome::Covered };
        let asked = match which {
            Which::All => true,
            Which::Rule(only) => *only == rule,
            Which::OfServices => state.rule.auto_populate_dns_names,
        };
        match before {
            Some(before @ (Outcome::Entry(_) | Outcome::Failed(_))) if !asked => before.clone(),
            _ => {
                self.renderings += 1;
                let services = Some(state.rule.auto_populate_dns_names).filter(|wanted| *wanted);
                let services = services.map(|_| self.services.of(&key.namespace, &pod.uid)).unwrap_or_default();
                let node = self.nodes.get(&pod.node);
                match self.settings.cluster.render(&state.rule, pod, node, &services) {
                    Ok(entry) => Outcome::Entry(Arc::new(entry)),
                    Err(reason) => Outcome::Failed(Arc::new(reason)),
                }
            }
        }
    }

    /// Puts what rules make of a pod in the place of what they made before.
    fn replace(&mut self, key: &PodKey, outcomes: &BTreeMap<RuleKey, Outcome>, touched: &mut Touched) {
        let Some(state) = self.pods.get_mut(key) else { return };
        let before = std::mem::replace(&mut state.outcomes, outcomes.clone());
        let rules: BTreeSet<&RuleKey> = before.keys().chain(outcomes.keys()).collect();
        for rule in rules {
            let (old, new) = (before.get(rule), outcomes.get(rule));
            if !is_same(old, new) {
                self.count(rule, key, old, new, touched);
                self.exchange(rule, key, old, new, touched);
            }
        }
    }

    fn count(
        &mut self,
        rule: &RuleKey,
        pod: &PodKey,
        old: Option<&Outcome>,
        new: Option<&Outcome>,
        touched: &mut Touched,
    ) {
        let one = |is: bool| i64::from(is);
        let failed = |outcome: Option<&Outcome>| one(matches!(outcome, Some(Outcome::Failed(_))));
        self.rules.count(rule, touched, |counts| {
            counts.pods_selected += one(new.is_some()) - one(old.is_some());
            counts.pod_entry_render_failures += failed(new) - failed(old);
        });
        let Some(state) = self.rules.usable.get_mut(rule) else { return };
        match new {
            Some(Outcome::Failed(reason)) => {
                state.failed.insert(pod.clone(), Arc::clone(reason));
                let reason = Arc::clone(reason);
                touched.failures.push(Failure { rule: rule.clone(), pod: pod.clone(), reason });
            }
            _ => {
                state.failed.remove(pod);
            }
        }
    }

    fn exchange(
        &mut self,
        rule: &RuleKey,
        pod: &PodKey,
        old: Option<&Outcome>,
        new: Option<&Outcome>,
        touched: &mut Touched,
    ) {
        if let Some(Outcome::Entry(entry)) = old {
            self.unclaim(&entry.key, rule, touched);
        }
        let rank = self.rules.usable.get(rule).map(|state| state.rank.clone());
        if let (Some(Outcome::Entry(entry)), Some(rank)) = (new, rank) {
            let claim = Claim { rank, by: rule.clone(), pod: Some(pod.clone()), entry: Arc::clone(entry) };
            self.claim(claim, touched);
        }
    }
}

fn is_same(old: Option<&Outcome>, new: Option<&Outcome>) -> bool {
    match (old, new) {
        (None, None) | (Some(Outcome::Covered), Some(Outcome::Covered)) => true,
        (Some(Outcome::Entry(old)), Some(Outcome::Entry(new))) => old == new,
        (Some(Outcome::Failed(old)), Some(Outcome::Failed(new))) => old == new,
        _ => false,
    }
}

/// Takes a pod out of a set, and the set away when it is empty.
fn leave(sets: &mut std::collections::HashMap<String, BTreeSet<PodKey>>, name: &str, pod: &PodKey) {
    if let Some(set) = sets.get_mut(name) {
        set.remove(pod);
        if set.is_empty() {
            sets.remove(name);
        }
    }
}
