//! Objects of any kind, kept, changed and watched as an API server does: a version for each change, conflicts for changes of
//! an old version, and patches by what they say.

mod answer;
mod patch;
mod target;

pub(super) use answer::{answer, failure};

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use tokio::sync::watch;

pub(super) use self::target::{Target, Wanted};

/// One request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Verb as an audit log calls it: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: &'static str,
    /// Path.
    pub path: String,
    /// Who changed: the `fieldManager`.
    pub manager: String,
    /// Status of the answer.
    pub status: u16,
}

/// An answer that a test asked for, given once in place of the server's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Requests of which verb.
    pub verb: &'static str,
    /// Requests whose path contains this.
    pub path: &'static str,
    /// Status of the answer.
    pub status: u16,
    /// The server's word for it, such as `Conflict`.
    pub reason: &'static str,
}

/// Where an object is: its resource, such as `/api/v1/configmaps`, its namespace, empty for the cluster, and its name.
type Key = (String, String, String);

struct Change {
    version: u64,
    kind: &'static str,
    key: Key,
    object: Value,
}

/// How far the objects have come, and how often watches were let go.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    version: u64,
    ended: u64,
}

/// The objects that were made by requests or put by a test.
#[derive(Default)]
pub struct Objects {
    all: BTreeMap<Key, Value>,
    /// Who owns which field of an object.
    owners: BTreeMap<Key, BTreeMap<String, String>>,
    history: Vec<Change>,
    progress: watch::Sender<Progress>,
    answered: watch::Sender<usize>,
    /// What was asked, in order.
    pub requests: Vec<Request>,
    /// What is refused, each once.
    pub refusals: Vec<Refusal>,
}

impl Objects {
    /// The object at `path`, such as `/api/v1/namespaces/spire/configmaps/spire-bundle`.
    pub fn at(&self, path: &str) -> Option<&Value> {
        self.all.get(&Target::of(path)?.key()?)
    }

    /// All objects of the resource at `path`, such as `/api/v1/configmaps`.
    pub fn all_at(&self, path: &str) -> Vec<&Value> {
        let target = Target::of(path);
        let of = self.all.iter().filter(|(key, _)| target.as_ref().is_some_and(|target| target.holds(key)));
        of.map(|(_, object)| object).collect()
    }

    /// Puts an object at `path`, in place of what is there.
    pub fn put(&mut self, path: &str, object: Value) {
        if let Some(key) = Target::of(path).and_then(|target| target.key()) {
            self.store(key, object);
        }
    }

    /// Takes the object at `path` away.
    pub fn delete(&mut self, path: &str) {
        if let Some(key) = Target::of(path).and_then(|target| target.key()) {
            self.remove(&key);
        }
    }

    /// Says who set the fields of the object at `path`.
    pub fn own(&mut self, path: &str, manager: &str) {
        let Some(key) = Target::of(path).and_then(|target| target.key()) else { return };
        let Some(object) = self.all.get(&key).cloned() else { return };
        self.note_owner(&key, &object, manager);
    }

    /// How often a verb was asked for.
    pub fn count(&self, verb: &str) -> usize {
        self.requests.iter().filter(|request| request.verb == verb).count()
    }

    /// Lets go of all watches, as a server does now and then.
    pub fn end_watches(&mut self) {
        self.progress.send_modify(|progress| progress.ended += 1);
    }

    /// Tells after each request that was answered how many there were.
    pub fn answered(&self) -> watch::Receiver<usize> {
        self.answered.subscribe()
    }

    fn note(&mut self, request: Request) {
        self.requests.push(request);
        self.answered.send_replace(self.requests.len());
    }

    fn version(&self) -> u64 {
        self.progress.borrow().version
    }

    fn refusal(&mut self, verb: &str, path: &str) -> Option<Refusal> {
        let fits = |refusal: &Refusal| refusal.verb == verb && path.contains(refusal.path);
        let at = self.refusals.iter().position(fits)?;
        Some(self.refusals.remove(at))
    }

    fn list(&self, target: &Target, wanted: &Wanted) -> Vec<Value> {
        let of = self.all.iter().filter(|(key, object)| target.holds(key) && wanted.fits(object));
        of.map(|(_, object)| object.clone()).collect()
    }

    fn store(&mut self, key: Key, mut object: Value) -> Value {
        let (version, before) = (self.version() + 1, self.all.get(&key));
        let metadata = &mut object["metadata"];
        metadata["name"] = key.2.clone().into();
        if !key.1.is_empty() {
            metadata["namespace"] = key.1.clone().into();
        }
        metadata["resourceVersion"] = version.to_string().into();
        if let Some(before) = before {
            metadata["uid"] = before["metadata"]["uid"].clone();
            metadata["creationTimestamp"] = before["metadata"]["creationTimestamp"].clone();
        } else if metadata["uid"].is_null() {
            metadata["uid"] = format!("00000000-0000-4000-8000-{version:012}").into();
        }
        if metadata["creationTimestamp"].is_null() {
            metadata["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        let generation = before.map_or(0, |before| before["metadata"]["generation"].as_u64().unwrap_or(1));
        let same = before.is_some_and(|before| before["spec"] == object["spec"]);
        object["metadata"]["generation"] = (if same { generation } else { generation + 1 }).into();
        let kind = if before.is_some() { "MODIFIED" } else { "ADDED" };
        self.all.insert(key.clone(), object.clone());
        self.changed(version, kind, key, object.clone());
        object
    }

    fn remove(&mut self, key: &Key) -> Option<Value> {
        let mut object = self.all.remove(key)?;
        self.owners.remove(key);
        let version = self.version() + 1;
        object["metadata"]["resourceVersion"] = version.to_string().into();
        self.changed(version, "DELETED", key.clone(), object.clone());
        Some(object)
    }

    fn changed(&mut self, version: u64, kind: &'static str, key: Key, object: Value) {
        self.history.push(Change { version, kind, key, object });
        self.progress.send_modify(|progress| progress.version = version);
    }

    /// Lines of a watch for what changed after `version`.
    fn lines_after(&self, version: u64, target: &Target, wanted: &Wanted) -> String {
        let newer = self.history.iter().filter(|change| change.version > version);
        let told = newer.filter(|change| target.holds(&change.key) && wanted.fits(&change.object));
        told.fold(String::new(), |mut lines, change| {
            let _ = writeln!(lines, "{}", json!({"type": change.kind, "object": change.object}));
            lines
        })
    }
}
