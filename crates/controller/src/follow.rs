//! Follows the objects of a kind, and puts them into the inbox.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use steeple_clock::Clock;
use steeple_k8s::{ApiServer, Change, Collection, FollowError, Permission, Scope};
use steeple_runtime::Backoff;
use steeple_telemetry::Metrics;
use tracing::{debug, info, warn};

use crate::inbox::Inbox;
use crate::kind::Kind;

/// What following objects asks of the API server.
pub(crate) const PERMISSIONS: &[Permission] = &[
    followed("", "pods", "who gets an identity"),
    followed("", "namespaces", "whose pods get an identity"),
    followed("", "nodes", "under which agent a pod's entry is"),
    followed("discovery.k8s.io", "endpointslices", "names of services as DNS names"),
    followed("spire.spiffe.io", "clusterspiffeids", "which pods get which identity"),
    followed("spire.spiffe.io", "clusterstaticentries", "entries written out"),
    followed("spire.spiffe.io", "clusterfederatedtrustdomains", "trust domains to federate with"),
    followed("steeple.dev", "workloadidentities", "which pods of a tenant get which identity"),
];

/// Which of the objects of a namespace are followed, where not all of the cluster's are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Within {
    /// Labels that they must have.
    pub labels: BTreeMap<String, String>,
    /// Fields that they must have.
    pub fields: BTreeMap<String, String>,
}

/// The part of a kind's objects that one follower has.
pub(crate) struct Part {
    within: Option<(String, Within)>,
    /// How many parts were not listed yet.
    unlisted: Arc<AtomicUsize>,
    is_listed: AtomicBool,
}

impl Part {
    /// The parts of a kind: one for each of the namespaces when there are some and the kind has any, and otherwise the whole.
    pub(crate) fn of(kind: Kind, namespaces: &BTreeMap<String, Within>) -> Vec<Self> {
        let mut parts: Vec<Option<(String, Within)>> = vec![None];
        if kind.is_namespaced() && !namespaces.is_empty() {
            parts = namespaces.iter().map(|(name, within)| Some((name.clone(), within.clone()))).collect();
        }
        let unlisted = Arc::new(AtomicUsize::new(parts.len()));
        let part = |within| Self { within, unlisted: Arc::clone(&unlisted), is_listed: AtomicBool::new(false) };
        parts.into_iter().map(part).collect()
    }

    fn collection(&self, kind: Kind) -> Collection {
        let selector = |pairs: &BTreeMap<String, String>| {
            let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
            (!pairs.is_empty()).then(|| pairs.join(","))
        };
        let (labels, fields) = match &self.within {
            None => (None, None),
            Some((_, within)) => (selector(&within.labels), selector(&within.fields)),
        };
        Collection { path: kind.path_in(self.namespace()), fields, labels, metadata_only: false, limit: MOST }
    }

    /// The path of the kind that tells the same and that spire-controller-manager's roles grant; of most kinds it is their own.
    fn older(&self, kind: Kind) -> String {
        match (kind, self.namespace()) {
            (Kind::EndpointSlice, "") => "/api/v1/endpoints".to_owned(),
            (Kind::EndpointSlice, namespace) => format!("/api/v1/namespaces/{namespace}/endpoints"),
            (kind, namespace) => kind.path_in(namespace),
        }
    }

    fn namespace(&self) -> &str {
        self.within.as_ref().map_or("", |(namespace, _)| namespace)
    }

    /// Notes that this part was listed; whether all were.
    fn complete(&self) -> bool {
        if self.is_listed.swap(true, Ordering::Relaxed) {
            return self.unlisted.load(Ordering::Relaxed) == 0;
        }
        self.unlisted.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

const fn followed(group: &'static str, resource: &'static str, reason: &'static str) -> Permission {
    Permission { group, resource, names: &[], verbs: &["list", "watch"], scope: Scope::Cluster, reason }
}

/// Most objects of a kind.
const MOST: usize = 500_000;
/// A kind that the API server does not have is asked for again after this time.
const ABSENT: Duration = Duration::from_mins(1);
/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// How the objects of one kind are followed.
pub struct Follow<O> {
    pub(crate) kind: Kind,
    pub(crate) api_server: ApiServer,
    pub(crate) clock: Clock,
    pub(crate) inbox: Arc<Inbox<Kind, O>>,
    pub(crate) metrics: Metrics,
    pub(crate) part: Part,
}

impl<O: Send + 'static> Follow<O> {
    /// Reads objects as `T` for ever; `kept` yields the namespace, the name and what is kept of each.
    ///
    /// While the API server can't be reached, what was told stays. A kind of our own that the API server does not have counts
    /// as a kind without objects.
    pub async fn objects<T: DeserializeOwned>(self, kept: impl Fn(T) -> (Box<str>, Box<str>, O)) -> Infallible {
        let mut collection = self.part.collection(self.kind);
        let mut backoff = Backoff::new(Duration::from_millis(500), 2.0, Duration::from_secs(30));
        let mut known: BTreeSet<(Box<str>, Box<str>)> = BTreeSet::new();
        loop {
            let mut told = false;
            let ended = collection
                .follow(&self.api_server, &self.clock, |change| {
                    told = true;
                    self.put(change, &kept, &mut known);
                })
                .await;
            if told {
                backoff.reset();
            }
            self.metrics.count("watch_ends", &[("kind", self.kind.name().to_owned())]);
            if self.is_absent(&ended).await {
                info!(kind = self.kind.name(), "The API server does not have this kind; there are no such objects");
                self.put(Change::All(Vec::new()), &kept, &mut known);
                self.clock.sleep(ABSENT).await;
                continue;
            }
            match &ended {
                error if error.is_forbidden() && collection.path != self.part.older(self.kind) => {
                    collection.path = self.part.older(self.kind);
                    info!(instead = collection.path, %error, "Not allowed to follow objects; the older kind is followed");
                    continue;
                }
                error if error.is_expired() => debug!(kind = self.kind.name(), "Listing anew"),
                error => warn!(kind = self.kind.name(), %error, "Unable to follow objects; what is known stays"),
            }
            self.clock.sleep(backoff.pause(0.5)).await;
        }
    }

    /// Whether the API server does not have a kind of our own. Who may not list a kind is told so whether it is there or not.
    async fn is_absent(&self, error: &FollowError) -> bool {
        if self.kind != Kind::WorkloadIdentity {
            return false;
        }
        error.is_absent() || (error.is_forbidden() && self.is_unknown().await)
    }

    /// Whether the API server says that it knows no kinds of this one's group and version.
    async fn is_unknown(&self) -> bool {
        let Ok(client) = self.api_server.connect().await else { return false };
        let asked = client.list_api_group_resources(self.kind.api_version());
        let answer = self.clock.clone().timeout(DEADLINE, asked).await;
        matches!(answer, Ok(Err(kube::Error::Api(status))) if status.code == 404)
    }

    fn put<T>(
        &self,
        change: Change<T>,
        kept: &impl Fn(T) -> (Box<str>, Box<str>, O),
        known: &mut BTreeSet<(Box<str>, Box<str>)>,
    ) {
        match change {
            Change::All(all) => {
                let mut gone = std::mem::take(known);
                for object in all {
                    let (namespace, name, object) = kept(object);
                    gone.remove(&(namespace.clone(), name.clone()));
                    known.insert((namespace.clone(), name.clone()));
                    self.inbox.put((self.kind, namespace, name), Some(object));
                }
                for (namespace, name) in gone {
                    self.inbox.put((self.kind, namespace, name), None);
                }
                if self.part.complete() {
                    self.inbox.complete(self.kind);
                }
            }
            Change::Put(object) => {
                let (namespace, name, object) = kept(object);
                known.insert((namespace.clone(), name.clone()));
                self.inbox.put((self.kind, namespace, name), Some(object));
            }
            Change::Gone(object) => {
                let (namespace, name, _) = kept(object);
                known.remove(&(namespace.clone(), name.clone()));
                self.inbox.put((self.kind, namespace, name), None);
            }
        }
    }
}
