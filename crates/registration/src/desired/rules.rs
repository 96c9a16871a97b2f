//! Rules and entries written out, with their counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::claims::Claim;
use super::pods::Which;
use super::{Counts, Desired, Failure, Touched};
use crate::crd::{ClusterSpiffeId, ClusterStaticEntry, WorkloadIdentity};
use crate::entry::EntryKey;
use crate::object::{PodKey, RuleKey, RuleKind};
use crate::relationship::RelationshipError;
use crate::render::RenderError;
use crate::rule::{Rank, Rule, RuleError};
use crate::static_entry::{StaticEntryError, static_entry};

/// Why an object makes nothing at all, or gives way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleProblem {
    /// The rule can't be used.
    #[error("{0}")]
    Rule(RuleError),
    /// The entry can't be used.
    #[error("{0}")]
    StaticEntry(StaticEntryError),
    /// The relationship can't be used.
    #[error("{0}")]
    Relationship(RelationshipError),
    /// Another object asks for the same trust domain, and goes first.
    #[error("{0} is for the same trust domain and goes first")]
    Masked(RuleKey),
}

#[derive(Debug)]
pub(super) struct RuleState {
    pub(super) rank: Rank,
    pub(super) rule: Arc<Rule>,
    /// Namespaces that the rule is for, with those that are ignored.
    namespaces: BTreeSet<String>,
    pub(super) counts: Counts,
    pub(super) failed: BTreeMap<PodKey, Arc<RenderError>>,
}

impl RuleState {
    fn new(rank: Rank, rule: Arc<Rule>) -> Self {
        Self { rank, rule, namespaces: BTreeSet::new(), counts: Counts::default(), failed: BTreeMap::new() }
    }
}

#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) usable: BTreeMap<RuleKey, RuleState>,
    unusable: BTreeMap<RuleKey, RuleProblem>,
    written_out: BTreeMap<RuleKey, EntryKey>,
}

impl Rules {
    pub(super) fn counts(&self, rule: &RuleKey) -> Option<Counts> {
        match self.usable.get(rule) {
            Some(state) => Some(state.counts),
            None => self.unusable.contains_key(rule).then(Counts::default),
        }
    }

    pub(super) fn static_key(&self, rule: &RuleKey) -> Option<&EntryKey> {
        self.written_out.get(rule)
    }

    pub(super) fn problem(&self, rule: &RuleKey) -> Option<RuleProblem> {
        self.unusable.get(rule).cloned()
    }

    pub(super) fn failures(&self, rule: &RuleKey) -> Vec<Failure> {
        let failed = self.usable.get(rule).into_iter().flat_map(|state| &state.failed);
        let failure = |(pod, reason): (&PodKey, &Arc<RenderError>)| Failure {
            rule: rule.clone(),
            pod: pod.clone(),
            reason: Arc::clone(reason),
        };
        failed.map(failure).collect()
    }

    /// Whether a rule is for a namespace that is not ignored.
    pub(super) fn is_for(&self, rule: &RuleKey, namespace: &str) -> bool {
        self.usable.get(rule).is_some_and(|state| state.namespaces.contains(namespace))
    }

    /// Changes the counts of a rule.
    pub(super) fn count(&mut self, rule: &RuleKey, touched: &mut Touched, change: impl FnOnce(&mut Counts)) {
        if let Some(state) = self.usable.get_mut(rule) {
            change(&mut state.counts);
        }
        touched.rules.insert(rule.clone());
    }

    /// Says whether a rule is for a namespace; yields whether this is new.
    pub(super) fn choose(&mut self, rule: &RuleKey, namespace: &str, chosen: bool, ignored: bool) -> bool {
        let Some(state) = self.usable.get_mut(rule) else { return false };
        let changed =
            if chosen { state.namespaces.insert(namespace.to_owned()) } else { state.namespaces.remove(namespace) };
        if changed {
            let step = if chosen { 1 } else { -1 };
            state.counts.namespaces_selected += step;
            state.counts.namespaces_ignored += if ignored { step } else { 0 };
        }
        changed
    }
}

impl Desired {
    pub(super) fn cluster_spiffe_id(&mut self, object: &ClusterSpiffeId, touched: &mut Touched) {
        let key = RuleKey::of(RuleKind::ClusterSpiffeId, &object.metadata);
        if self.settings.class.takes(&object.spec.class_name) {
            self.rule(key, Rank::of(&object.metadata, false), Rule::of_cluster_spiffe_id(object), touched);
        } else {
            self.rule_gone(&key, touched);
        }
    }

    pub(super) fn workload_identity(&mut self, object: &WorkloadIdentity, touched: &mut Touched) {
        let key = RuleKey::of(RuleKind::WorkloadIdentity, &object.metadata);
        if self.settings.class.takes(&object.spec.class_name) {
            self.rule(key, Rank::of(&object.metadata, true), Rule::of_workload_identity(object), touched);
        } else {
            self.rule_gone(&key, touched);
        }
    }

    pub(super) fn static_entry(&mut self, object: &ClusterStaticEntry, touched: &mut Touched) {
        let key = RuleKey::of(RuleKind::ClusterStaticEntry, &object.metadata);
        self.rule_gone(&key, touched);
        if !self.settings.class.takes(&object.spec.class_name) {
            return;
        }
        touched.rules.insert(key.clone());
        match static_entry(&object.spec) {
            Err(error) => {
                self.rules.unusable.insert(key, RuleProblem::StaticEntry(error));
            }
            Ok(entry) => {
                self.rules.written_out.insert(key.clone(), entry.key.clone());
                let rank = Rank::of(&object.metadata, false);
                self.claim(Claim { rank, by: key, pod: None, entry: Arc::new(entry) }, touched);
            }
        }
    }

    pub(super) fn rule_gone(&mut self, key: &RuleKey, touched: &mut Touched) {
        self.relationships.remove(key, touched);
        if self.rules.unusable.remove(key).is_some() {
            touched.rules.insert(key.clone());
        }
        if let Some(entry) = self.rules.written_out.remove(key) {
            self.unclaim(&entry, key, touched);
        }
        if let Some(state) = self.rules.usable.remove(key) {
            touched.rules.insert(key.clone());
            for pod in self.pods_in(&state.namespaces) {
                self.evaluate(&pod, &Which::Rule(key), touched);
            }
        }
    }

    /// A rule is there, or is another. Its pods are asked again, and those that it was for until now.
    fn rule(&mut self, key: RuleKey, rank: Rank, parsed: Result<Rule, RuleError>, touched: &mut Touched) {
        let rule = match parsed {
            Ok(rule) => Arc::new(rule),
            Err(error) => {
                self.rule_gone(&key, touched);
                touched.rules.insert(key.clone());
                self.rules.unusable.insert(key, RuleProblem::Rule(error));
                return;
            }
        };
        self.rules.unusable.remove(&key);
        touched.rules.insert(key.clone());
        let mut concerned = BTreeSet::new();
        if let Some(state) = self.rules.usable.get_mut(&key) {
            concerned.clone_from(&state.namespaces);
            let reranked = state.rank != rank || state.rule.fallback != rule.fallback;
            state.rule = rule;
            state.rank = rank;
            if reranked {
                self.reclaim(&key, &concerned, touched);
            }
        } else {
            self.rules.usable.insert(key.clone(), RuleState::new(rank, rule));
        }
        let names: Vec<String> = self.namespaces.keys().cloned().collect();
        for name in names {
            self.choose(&key, &name);
        }
        concerned.extend(self.rules.usable.get(&key).into_iter().flat_map(|state| state.namespaces.clone()));
        for pod in self.pods_in(&concerned) {
            self.evaluate(&pod, &Which::Rule(&key), touched);
        }
    }

    /// Takes back what a rule asks for, before it asks with another rank or as another kind of rule.
    fn reclaim(&mut self, key: &RuleKey, namespaces: &BTreeSet<String>, touched: &mut Touched) {
        let removed = self.rules.usable.remove(key);
        for pod in self.pods_in(namespaces) {
            self.evaluate(&pod, &Which::Rule(key), touched);
        }
        if let Some(mut state) = removed {
            state.counts = Counts {
                namespaces_selected: state.counts.namespaces_selected,
                namespaces_ignored: state.counts.namespaces_ignored,
                ..Counts::default()
            };
            state.failed.clear();
            self.rules.usable.insert(key.clone(), state);
        }
    }

    /// Asks again whether a rule is for a namespace; yields whether the answer is new.
    pub(super) fn choose(&mut self, rule: &RuleKey, namespace: &str) -> bool {
        let ignored = self.is_ignored(namespace);
        let Some(state) = self.rules.usable.get(rule) else { return false };
        let object = self.namespaces.get(namespace);
        let chosen = object.is_some_and(|object| state.rule.takes_namespace(&object.name, &object.labels));
        self.rules.choose(rule, namespace, chosen, ignored)
    }

    pub(super) fn pods_in(&self, namespaces: &BTreeSet<String>) -> Vec<PodKey> {
        let pods = namespaces.iter().filter_map(|namespace| self.pods_of_namespace.get(namespace));
        pods.flatten().cloned().collect()
    }

    /// Puts a claim to the others.
    pub(super) fn claim(&mut self, claim: Claim, touched: &mut Touched) {
        let key = claim.entry.key.clone();
        self.tally(&key, -1, touched);
        self.claims.insert(claim);
        self.tally(&key, 1, touched);
        touched.entries.insert(key);
    }

    /// Takes a claim away.
    pub(super) fn unclaim(&mut self, key: &EntryKey, by: &RuleKey, touched: &mut Touched) {
        self.tally(key, -1, touched);
        self.claims.remove(key, by);
        self.tally(key, 1, touched);
        touched.entries.insert(key.clone());
    }

    /// Counts an entry for those who ask for it: set for the first, masked for the others.
    fn tally(&mut self, key: &EntryKey, step: i64, touched: &mut Touched) {
        for (at, by) in self.claims.claimants(key).into_iter().enumerate() {
            self.rules.count(&by, touched, |counts| match at {
                0 => counts.entries_to_set += step,
                _ => counts.entries_masked += step,
            });
        }
    }
}
