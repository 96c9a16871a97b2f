//! The rules of `steeple-registration`, as the controller asks them: what they were told of, and what is to be said of it.

mod object;
mod report;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;

use serde_json::Value;
use steeple_proto::spire::api::types;
use steeple_registration::desired::{Failure, Standing};
use steeple_registration::{Change, Desired, PodKey, RuleKey, RuleKind, Settings, Touched};

pub use self::object::Object;
use self::object::{Told, entry_of, relationship_of};
use crate::follow::Follow;
use crate::key::EntryKey;
use crate::kind::Kind;
use crate::rules::{Notice, ObjectKey, Relationship, Report, Rules, Seen};

/// The reason of the event on a pod that no object selects.
pub(crate) const NO_IDENTITY: &str = "NoIdentity";

/// Rules over the objects of a cluster.
pub struct Registered {
    desired: Desired,
    /// What the rules call the entries that they want.
    keys: HashMap<EntryKey, steeple_registration::EntryKey>,
    /// Identity objects, by what is told of them.
    objects: BTreeMap<ObjectKey, Told>,
    /// UIDs of pods that mount the Workload API.
    in_want: BTreeMap<PodKey, String>,
    changed_entries: BTreeSet<EntryKey>,
    changed_objects: BTreeSet<ObjectKey>,
    federation_changed: bool,
    notices: Vec<Notice>,
}

impl Registered {
    /// Rules that know no object yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            desired: Desired::new(settings),
            keys: HashMap::new(),
            objects: BTreeMap::new(),
            in_want: BTreeMap::new(),
            changed_entries: BTreeSet::new(),
            changed_objects: BTreeSet::new(),
            federation_changed: true,
            notices: Vec::new(),
        }
    }

    fn apply(&mut self, change: Change) {
        let Touched { entries, trust_domains, rules, failures } = self.desired.apply(change);
        for key in entries {
            let digest = object::digest(&key);
            if self.desired.entry(&key).is_some() {
                self.keys.insert(digest, key);
            } else {
                self.keys.remove(&digest);
            }
            self.changed_entries.insert(digest);
        }
        self.federation_changed |= !trust_domains.is_empty();
        self.changed_objects.extend(rules.iter().map(object_key));
        for Failure { rule, pod, reason } in failures {
            let uid = self.in_want.get(&pod).cloned().unwrap_or_default();
            let message = format!("{rule} gives this pod no identity: {reason}");
            self.notices.push(of_pod(&pod, uid, "IdentityFailed", message));
        }
    }

    fn put_pod(&mut self, key: PodKey, pod: Option<(steeple_registration::PodObject, bool)>) {
        self.in_want.remove(&key);
        let Some((pod, mounts)) = pod else { return self.apply(Change::PodGone(key)) };
        if mounts {
            self.in_want.insert(key.clone(), pod.uid().to_owned());
        }
        self.apply(Change::Pod(pod));
        if mounts {
            self.note_unserved(&key);
        }
    }

    /// An identity object was changed: pods that it selected may be without an identity now.
    fn put_rule(&mut self, key: &ObjectKey, told: Option<Told>, change: Change) {
        match told {
            Some(told) => {
                let is_new = self.objects.get(key).is_none_or(|before| before.generation != told.generation);
                self.objects.insert(key.clone(), told);
                if is_new {
                    self.changed_objects.insert(key.clone());
                }
            }
            None => drop(self.objects.remove(key)),
        }
        self.apply(change);
        let problem = self.desired.problem(&rule_key(key)).map(|problem| problem.to_string());
        if let (Some(problem), Some(told)) = (problem, self.objects.get_mut(key))
            && told.problem.as_ref() != Some(&problem)
        {
            told.problem = Some(problem.clone());
            let (about, uid) = (key.clone(), told.uid.clone());
            self.notices.push(Notice { about, uid, is_warning: true, reason: "InvalidSpec", message: problem });
        }
        for pod in self.in_want.keys().cloned().collect::<Vec<_>>() {
            self.note_unserved(&pod);
        }
    }

    fn note_unserved(&mut self, key: &PodKey) {
        let message = match self.desired.standing(key) {
            Standing::IgnoredNamespace => {
                let namespace = &key.namespace;
                format!(
                    "this pod gets no identity: the controller ignores the namespace {namespace} (ignoreNamespaces)"
                )
            }
            Standing::NoRule => {
                "this pod gets no identity: no ClusterSPIFFEID or WorkloadIdentity selects it".to_owned()
            }
            Standing::Unknown | Standing::Failed(_) | Standing::Entitled(_) => return,
        };
        let uid = self.in_want.get(key).cloned().unwrap_or_default();
        self.notices.push(of_pod(key, uid, NO_IDENTITY, message));
    }
}

impl Rules for Registered {
    type Object = Object;

    async fn follow(kind: Kind, follow: Follow<Object>) -> Infallible {
        follow.objects(move |value: Value| object::kept(kind, value)).await
    }

    fn put(&mut self, key: &ObjectKey, object: Option<Object>) {
        let (kind, namespace, name) = key;
        let gone = || Change::RuleGone(rule_key(key));
        match (kind, object) {
            (Kind::Pod, Some(Object::Pod(pod, mounts))) => self.put_pod(pod.key().clone(), Some((*pod, mounts))),
            (Kind::Pod, _) => {
                self.put_pod(PodKey { namespace: namespace.to_string(), name: name.to_string() }, None);
            }
            (Kind::Node, Some(Object::Node(node))) => self.apply(Change::Node(node)),
            (Kind::Node, _) => self.apply(Change::NodeGone(name.to_string())),
            (Kind::Namespace, Some(Object::Namespace(namespace))) => self.apply(Change::Namespace(namespace)),
            (Kind::Namespace, _) => self.apply(Change::NamespaceGone(name.to_string())),
            (Kind::EndpointSlice, Some(Object::Slice(slice))) => self.apply(Change::Endpoints(slice)),
            (Kind::EndpointSlice, _) => {
                self.apply(Change::EndpointsGone(namespace.to_string(), name.to_string()));
            }
            (_, Some(Object::ClusterSpiffeId(object, told))) => {
                self.put_rule(key, Some(told), Change::ClusterSpiffeId(object));
            }
            (_, Some(Object::WorkloadIdentity(object, told))) => {
                self.put_rule(key, Some(told), Change::WorkloadIdentity(object));
            }
            (_, Some(Object::ClusterStaticEntry(object, told))) => {
                self.put_rule(key, Some(told), Change::ClusterStaticEntry(object));
            }
            (_, Some(Object::ClusterFederatedTrustDomain(object, told))) => {
                self.put_rule(key, Some(told), Change::ClusterFederatedTrustDomain(object));
            }
            (_, Some(Object::Unreadable(told))) => self.put_rule(key, Some(told), gone()),
            (_, _) => self.put_rule(key, None, gone()),
        }
    }

    fn wanted(&self, key: &EntryKey) -> Option<types::Entry> {
        let claimed = self.desired.entry(self.keys.get(key)?)?;
        Some(entry_of(claimed.entry))
    }

    fn wanted_keys(&self) -> Vec<EntryKey> {
        self.keys.keys().copied().collect()
    }

    fn take_changed_entries(&mut self) -> Vec<EntryKey> {
        std::mem::take(&mut self.changed_entries).into_iter().collect()
    }

    fn owner(&self, key: &EntryKey) -> Option<ObjectKey> {
        let claimed = self.desired.entry(self.keys.get(key)?)?;
        Some(object_key(claimed.by))
    }

    fn take_changed_objects(&mut self) -> Vec<ObjectKey> {
        std::mem::take(&mut self.changed_objects).into_iter().collect()
    }

    fn report(&self, object: &ObjectKey, seen: &Seen<'_>) -> Option<Report> {
        self.told(object, seen)
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    fn is_unserved(&self, (_, namespace, name): &ObjectKey) -> bool {
        let pod = PodKey { namespace: namespace.to_string(), name: name.to_string() };
        let standing = self.desired.standing(&pod);
        self.in_want.contains_key(&pod) && matches!(standing, Standing::NoRule | Standing::IgnoredNamespace)
    }

    fn take_federation_changed(&mut self) -> bool {
        std::mem::take(&mut self.federation_changed)
    }

    fn relationships(&self) -> Vec<Relationship> {
        let wanted = self.desired.relationships().into_iter();
        wanted
            .map(|(owner, made)| Relationship { owner: object_key(owner), relationship: relationship_of(made) })
            .collect()
    }
}

fn of_pod(pod: &PodKey, uid: String, reason: &'static str, message: String) -> Notice {
    let about = (Kind::Pod, pod.namespace.as_str().into(), pod.name.as_str().into());
    Notice { about, uid, is_warning: true, reason, message }
}

fn object_key(rule: &RuleKey) -> ObjectKey {
    let kind = match rule.kind {
        RuleKind::ClusterSpiffeId => Kind::ClusterSpiffeId,
        RuleKind::WorkloadIdentity => Kind::WorkloadIdentity,
        RuleKind::ClusterStaticEntry => Kind::ClusterStaticEntry,
        RuleKind::ClusterFederatedTrustDomain => Kind::ClusterFederatedTrustDomain,
    };
    (kind, rule.namespace.as_str().into(), rule.name.as_str().into())
}

fn rule_key((kind, namespace, name): &ObjectKey) -> RuleKey {
    let kind = match kind {
        Kind::WorkloadIdentity => RuleKind::WorkloadIdentity,
        Kind::ClusterStaticEntry => RuleKind::ClusterStaticEntry,
        Kind::ClusterFederatedTrustDomain => RuleKind::ClusterFederatedTrustDomain,
        _ => RuleKind::ClusterSpiffeId,
    };
    RuleKey { kind, namespace: namespace.to_string(), name: name.to_string() }
}
