//! What the objects of a cluster ask for, kept up with single changes.
//!
//! A change costs what it concerns: a pod's, the rules that are for the pod; a rule's, the pods that it is for; a node's,
//! the pods on it. Nothing is listed again.

mod claims;
mod pods;
mod relationships;
mod rules;
mod services;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use regex::Regex;
use steeple_types::TrustDomain;

use crate::config::Class;
use crate::crd::{ClusterFederatedTrustDomain, ClusterSpiffeId, ClusterStaticEntry, WorkloadIdentity};
use crate::entry::{DesiredEntry, EntryKey};
use crate::object::{EndpointsObject, NamespaceObject, NodeObject, PodKey, PodObject, RuleKey};
use crate::relationship::DesiredRelationship;
use crate::render::{Cluster, RenderError};
use claims::Claims;
use pods::PodState;
use relationships::Relationships;
use rules::Rules;
use services::Services;

pub use claims::Claimed;
pub use rules::RuleProblem;

/// What an index goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster.
    pub cluster: Cluster,
    /// Patterns of namespaces whose pods get nothing from rules.
    pub ignore_namespaces: Vec<Regex>,
    /// Which objects are meant.
    pub class: Class,
}

/// A change of one object.
#[derive(Clone, Debug)]
pub enum Change {
    /// A pod is there, or is another.
    Pod(PodObject),
    /// A pod is gone.
    PodGone(PodKey),
    /// A namespace is there, or is another.
    Namespace(NamespaceObject),
    /// A namespace is gone.
    NamespaceGone(String),
    /// A node is there, or is another.
    Node(NodeObject),
    /// A node is gone.
    NodeGone(String),
    /// An object that says which pods stand behind a service is there, or is another.
    Endpoints(EndpointsObject),
    /// Such an object is gone: its namespace and name.
    EndpointsGone(String, String),
    /// A rule of the operators is there, or is another.
    ClusterSpiffeId(Box<ClusterSpiffeId>),
    /// A rule of a tenant is there, or is another.
    WorkloadIdentity(Box<WorkloadIdentity>),
    /// An entry written out is there, or is another.
    ClusterStaticEntry(Box<ClusterStaticEntry>),
    /// A trust domain to federate with is there, or is another.
    ClusterFederatedTrustDomain(Box<ClusterFederatedTrustDomain>),
    /// One of the four above is gone.
    RuleGone(RuleKey),
}

/// What a change concerns.
#[derive(Debug, Default)]
pub struct Touched {
    /// Entries that are new, other, of another object, or no longer asked for: see [`Desired::entry`].
    pub entries: BTreeSet<EntryKey>,
    /// Trust domains whose relationship is new, other or no longer asked for: see [`Desired::relationship`].
    pub trust_domains: BTreeSet<TrustDomain>,
    /// Objects whose counts or problem are others now: see [`Desired::counts`] and [`Desired::problem`].
    pub rules: BTreeSet<RuleKey>,
    /// Pods that get no entry from a rule that is for them, where this is new or has another reason.
    pub failures: Vec<Failure>,
}

/// A pod that gets no entry from a rule that is for it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The rule.
    pub rule: RuleKey,
    /// The pod.
    pub pod: PodKey,
    /// Why.
    pub reason: Arc<RenderError>,
}

/// Counts of a rule, as its status tells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Namespaces that the rule is for, ignored ones among them.
    pub namespaces_selected: i64,
    /// Namespaces of these that the configuration ignores.
    pub namespaces_ignored: i64,
    /// Pods that the rule is for, in the remaining namespaces.
    pub pods_selected: i64,
    /// Pods of these for which no entry could be made.
    pub pod_entry_render_failures: i64,
    /// Entries that another object asks for already.
    pub entries_masked: i64,
    /// Entries that the rule brings.
    pub entries_to_set: i64,
}

/// What a pod gets, or why nothing.
#[derive(Clone, Debug)]
pub enum Standing {
    /// The pod is not known, or its namespace is not.
    Unknown,
    /// Its namespace is ignored.
    IgnoredNamespace,
    /// No rule is for it.
    NoRule,
    /// Rules are for it, and none of them makes an entry.
    Failed(Vec<Failure>),
    /// It gets these entries.
    Entitled(Vec<EntryKey>),
}

/// What the objects of a cluster ask for.
#[derive(Debug)]
pub struct Desired {
    settings: Settings,
    rules: Rules,
    pods: HashMap<PodKey, PodState>,
    pods_of_namespace: HashMap<String, BTreeSet<PodKey>>,
    pods_of_node: HashMap<String, BTreeSet<PodKey>>,
    pods_by_uid: HashMap<String, PodKey>,
    namespaces: BTreeMap<String, NamespaceObject>,
    nodes: HashMap<String, NodeObject>,
    services: Services,
    claims: Claims,
    relationships: Relationships,
    renderings: u64,
}

impl Desired {
    /// An index of nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            rules: Rules::default(),
            pods: HashMap::new(),
            pods_of_namespace: HashMap::new(),
            pods_of_node: HashMap::new(),
            pods_by_uid: HashMap::new(),
            namespaces: BTreeMap::new(),
            nodes: HashMap::new(),
            services: Services::default(),
            claims: Claims::default(),
            relationships: Relationships::default(),
            renderings: 0,
        }
    }

    /// Takes a change, and tells what it concerns.
    pub fn apply(&mut self, change: Change) -> Touched {
        let mut touched = Touched::default();
        match change {
            Change::Pod(pod) => self.pod(pod, &mut touched),
            Change::PodGone(key) => self.pod_gone(&key, &mut touched),
            Change::Namespace(namespace) => self.namespace(namespace, &mut touched),
            Change::NamespaceGone(name) => self.namespace_gone(&name, &mut touched),
            Change::Node(node) => self.node(node, &mut touched),
            Change::NodeGone(name) => self.node_gone(&name, &mut touched),
            Change::Endpoints(endpoints) => {
                let uids = self.services.apply(endpoints);
                self.service_pods(&uids, &mut touched);
            }
            Change::EndpointsGone(namespace, name) => {
                let uids = self.services.remove(&namespace, &name);
                self.service_pods(&uids, &mut touched);
            }
            Change::ClusterSpiffeId(object) => self.cluster_spiffe_id(&object, &mut touched),
            Change::WorkloadIdentity(object) => self.workload_identity(&object, &mut touched),
            Change::ClusterStaticEntry(object) => self.static_entry(&object, &mut touched),
            Change::ClusterFederatedTrustDomain(object) => {
                self.relationships.apply(&object, &self.settings.class, &mut touched);
            }
            Change::RuleGone(key) => self.rule_gone(&key, &mut touched),
        }
        touched
    }

    /// Who asks for the entry `key`, and with which contents; `None` when nobody does.
    pub fn entry(&self, key: &EntryKey) -> Option<Claimed<'_>> {
        self.claims.winner(key)
    }

    /// All entries that are asked for.
    pub fn entries(&self) -> impl Iterator<Item = Claimed<'_>> {
        self.claims.winners()
    }

    /// The relationship that is asked for with a trust domain, and by which object.
    pub fn relationship(&self, trust_domain: &TrustDomain) -> Option<(&RuleKey, &DesiredRelationship)> {
        self.relationships.of(trust_domain)
    }

    /// All relationships that are asked for.
    pub fn relationships(&self) -> Vec<(&RuleKey, &DesiredRelationship)> {
        self.relationships.all()
    }

    /// Counts of a ClusterSPIFFEID or WorkloadIdentity.
    pub fn counts(&self, rule: &RuleKey) -> Option<Counts> {
        self.rules.counts(rule)
    }

    /// Whether the entry of a ClusterStaticEntry is asked for by another object already; `None` when it makes none.
    pub fn is_masked(&self, rule: &RuleKey) -> Option<bool> {
        let key = self.rules.static_key(rule)?;
        self.claims.winner(key).map(|winner| winner.by != rule)
    }

    /// Why an object makes nothing at all, or gives way to another.
    pub fn problem(&self, rule: &RuleKey) -> Option<RuleProblem> {
        self.rules.problem(rule).or_else(|| self.relationships.problem(rule))
    }

    /// Pods that get no entry from a rule that is for them.
    pub fn failures(&self, rule: &RuleKey) -> Vec<Failure> {
        self.rules.failures(rule)
    }

    /// What a pod gets, or why nothing.
    pub fn standing(&self, pod: &PodKey) -> Standing {
        let Some(state) = self.pods.get(pod).filter(|_| self.namespaces.contains_key(&pod.namespace)) else {
            return Standing::Unknown;
        };
        if self.is_ignored(&pod.namespace) {
            return Standing::IgnoredNamespace;
        }
        let entries = state.entries();
        let failures = state.failures(pod);
        match (entries.is_empty(), failures.is_empty()) {
            (false, _) => Standing::Entitled(entries),
            (true, false) => Standing::Failed(failures),
            (true, true) => Standing::NoRule,
        }
    }

    /// How often a rule was rendered over a pod since the beginning.
    pub fn renderings(&self) -> u64 {
        self.renderings
    }

    fn is_ignored(&self, namespace: &str) -> bool {
        self.settings.ignore_namespaces.iter().any(|pattern| pattern.is_match(namespace))
    }
}

/// An entry as one rule makes it.
type Made = Arc<DesiredEntry>;
