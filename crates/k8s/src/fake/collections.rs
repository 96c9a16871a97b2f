//! Collections that are listed and watched, as an API server does it: versions, bookmarks, changes that are gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

/// A collection of an API server, such as `/api/v1/pods`. Clones are the same collection.
#[derive(Clone)]
pub struct FakeCollection {
    content: Arc<watch::Sender<Content>>,
    asked: Arc<watch::Sender<Asked>>,
}

/// How often a collection was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Lists.
    pub lists: u32,
    /// Streams of changes.
    pub watches: u32,
    /// Single objects.
    pub gets: u32,
}

#[derive(Default)]
struct Content {
    version: u64,
    /// Changes up to this version are gone.
    forgotten: u64,
    /// Streams opened before a break end.
    breaks: u64,
    objects: BTreeMap<(String, String), Value>,
    changes: Vec<Changed>,
    refusal: Option<u16>,
}

struct Changed {
    version: u64,
    before: Option<Value>,
    after: Option<Value>,
}

/// The part of a query that counts.
#[derive(Clone, Default)]
pub(super) struct Query {
    fields: Vec<(String, String)>,
    limit: Option<usize>,
    skip: usize,
    from: u64,
    pub(super) watch: bool,
    metadata_only: bool,
}

impl FakeCollection {
    pub(super) fn new() -> Self {
        Self { content: Arc::new(watch::Sender::default()), asked: Arc::new(watch::Sender::default()) }
    }

    /// Puts an object in, or in the place of the one that has its namespace and name.
    pub fn put(&self, mut object: Value) {
        self.content.send_modify(|content| {
            content.version += 1;
            set_version(&mut object, content.version);
            let before = content.objects.insert(key(&object), object.clone());
            content.changes.push(Changed { version: content.version, before, after: Some(object) });
        });
    }

    /// Takes an object out; one without a namespace has an empty one.
    pub fn remove(&self, namespace: &str, name: &str) {
        self.content.send_modify(|content| {
            if let Some(mut before) = content.objects.remove(&(namespace.to_owned(), name.to_owned())) {
                content.version += 1;
                set_version(&mut before, content.version);
                content.changes.push(Changed { version: content.version, before: Some(before), after: None });
            }
        });
    }

    /// Forgets the changes up to now, and goes on to a later version: who asks for changes since then has to list anew.
    pub fn forget_changes(&self) {
        self.content.send_modify(|content| {
            content.version += 1;
            content.forgotten = content.version;
            content.changes.clear();
        });
    }

    /// Ends all streams of changes, as a server does that stops.
    pub fn end_streams(&self) {
        self.content.send_modify(|content| content.breaks += 1);
    }

    /// Answers with this HTTP status from now on, or properly again. Open streams go on.
    pub fn refuse(&self, status: Option<u16>) {
        self.content.send_modify(|content| content.refusal = status);
    }

    /// How often it was asked for.
    pub fn asked(&self) -> Asked {
        *self.asked.borrow()
    }

    /// Waits until it was asked for that often.
    pub async fn wait_until_asked(&self, enough: impl FnMut(&Asked) -> bool) {
        // The sender is held here, so the wait cannot fail.
        let _ = self.asked.subscribe().wait_for(enough).await;
    }

    pub(super) fn list(&self, query: &Query) -> Response {
        self.asked.send_modify(|asked| asked.lists += 1);
        let content = self.content.borrow();
        if let Some(status) = content.refusal {
            return refused(status);
        }
        let all: Vec<&Value> = content.objects.values().filter(|object| query.wants(object)).collect();
        let end = query.limit.map_or(all.len(), |limit| all.len().min(query.skip + limit));
        let items: Vec<Value> =
            all.iter().take(end).skip(query.skip).map(|object| query.form((*object).clone())).collect();
        let next = if end < all.len() { end.to_string() } else { String::new() };
        let metadata = json!({"resourceVersion": content.version.to_string(), "continue": next});
        Json(json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items})).into_response()
    }

    pub(super) fn stream(&self, query: Query) -> Response {
        let receiver = self.content.subscribe();
        let (breaks, forgotten, refusal) = {
            let content = self.content.borrow();
            (content.breaks, content.forgotten, content.refusal)
        };
        self.asked.send_modify(|asked| asked.watches += 1);
        if let Some(status) = refusal {
            return refused(status);
        }
        let from = query.from;
        if from < forgotten {
            let error = json!({"type": "ERROR", "object": status(410, "too old resource version")});
            return body(Body::from(format!("{error}\n")));
        }
        let state = (receiver, query, from, true);
        body(Body::from_stream(futures::stream::unfold(
            state,
            move |(mut receiver, query, mut seen, first)| async move {
                // The first piece goes out at once, so that the answer's head does.
                if !first {
                    receiver.wait_for(|content| content.breaks > breaks || content.version > seen).await.ok()?;
                }
                let text = {
                    let content = receiver.borrow();
                    if content.breaks > breaks {
                        return None;
                    }
                    let new = content.changes.iter().filter(|change| change.version > seen);
                    let text: String = new.filter_map(|change| query.event(change)).collect();
                    seen = content.version;
                    text + &bookmark(seen)
                };
                Some((Ok::<_, std::io::Error>(text), (receiver, query, seen, false)))
            },
        )))
    }

    pub(super) fn object(&self, namespace: &str, name: &str, query: &Query) -> Response {
        self.asked.send_modify(|asked| asked.gets += 1);
        let content = self.content.borrow();
        if let Some(status) = content.refusal {
            return refused(status);
        }
        match content.objects.get(&(namespace.to_owned(), name.to_owned())) {
            Some(object) => Json(query.form(object.clone())).into_response(),
            None => refused(404),
        }
    }
}

impl Query {
    pub(super) fn of(text: &str, accept: &str) -> Self {
        let mut query = Self { metadata_only: accept.contains("as=PartialObjectMetadata"), ..Self::default() };
        for (key, value) in url(text) {
            match key.as_str() {
                "watch" => query.watch = value == "true",
                "limit" => query.limit = value.parse().ok(),
                "continue" => query.skip = value.parse().unwrap_or_default(),
                "resourceVersion" => query.from = value.parse().unwrap_or_default(),
                "fieldSelector" => {
                    query.fields = value.split(',').filter_map(|one| one.split_once('=')).map(owned).collect();
                }
                _ => {}
            }
        }
        query
    }

    fn wants(&self, object: &Value) -> bool {
        self.fields.iter().all(|(path, wanted)| {
            let found = path.split('.').try_fold(object, |object, key| object.get(key));
            found.and_then(Value::as_str).unwrap_or_default() == wanted
        })
    }

    /// An object as it was asked for.
    fn form(&self, mut object: Value) -> Value {
        if self.metadata_only {
            object = json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.get("metadata"),
            });
        }
        object
    }

    /// What a change is to who follows only a part.
    fn event(&self, change: &Changed) -> Option<String> {
        let wanted = |object: &Option<Value>| object.clone().filter(|object| self.wants(object));
        let (kind, object) = match (wanted(&change.before), wanted(&change.after)) {
            (None, None) => return None,
            (None, Some(after)) => ("ADDED", after),
            (Some(_), Some(after)) => ("MODIFIED", after),
            (Some(before), None) => ("DELETED", before),
        };
        Some(format!("{}\n", json!({"type": kind, "object": self.form(object)})))
    }
}

fn set_version(object: &mut Value, version: u64) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), json!(version.to_string()));
    }
}

fn bookmark(version: u64) -> String {
    let metadata = json!({"resourceVersion": version.to_string()});
    let object = json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata});
    format!("{}\n", json!({"type": "BOOKMARK", "object": object}))
}

fn key(object: &Value) -> (String, String) {
    let metadata = object.get("metadata");
    let text = |key: &str| metadata.and_then(|metadata| metadata.get(key)?.as_str()).unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

fn owned((one, two): (&str, &str)) -> (String, String) {
    (one.to_owned(), two.to_owned())
}

/// The pairs of a query, whose texts are escaped.
pub(super) fn url(query: &str) -> Vec<(String, String)> {
    let plain = |text: &str| {
        let mut bytes = text.bytes();
        let mut out = Vec::new();
        while let Some(byte) = bytes.next() {
            let mut digits = || Some([bytes.next()?, bytes.next()?]);
            out.push(match byte {
                b'+' => b' ',
                b'%' => digits()
                    .and_then(|digits| u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok())
                    .unwrap_or(b'%'),
                other => other,
            });
        }
        String::from_utf8_lossy(&out).into_owned()
    };
    query.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (plain(key), plain(value))).collect()
}

fn body(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn status(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code})
}

fn refused(code: u16) -> Response {
    let answer = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (answer, Json(status(code, answer.canonical_reason().unwrap_or_default()))).into_response()
}

/// The collections by their paths.
pub(super) type Collections = Arc<Mutex<BTreeMap<String, FakeCollection>>>;
