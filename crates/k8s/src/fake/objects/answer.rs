//! Answers of the API server about its objects.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::stream;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::patch::{self, Lists};
use super::{Key, Objects, Request, Target, Wanted};
use crate::fake::Known;
use crate::fake::collections::url;

/// What a request asks for.
struct Asked {
    target: Target,
    wanted: Wanted,
    verb: &'static str,
    patch: String,
    body: Value,
}

/// What is said when something can't be done.
struct Refused(StatusCode, &'static str, String);

/// Answers a request about objects of any kind.
pub(crate) fn answer(
    known: Arc<Mutex<Known>>,
    method: &Method,
    path: &str,
    query: &str,
    content_type: &str,
    body: &[u8],
) -> Response {
    let Some(target) = Target::of(path) else { return StatusCode::NOT_FOUND.into_response() };
    let wanted = Wanted::of(&url(query).into_iter().collect());
    let verb = match (method, target.key().is_some()) {
        (_, _) if wanted.watch => "watch",
        (&Method::GET, true) => "get",
        (&Method::GET, false) => "list",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        _ => "delete",
    };
    let manager = wanted.manager.clone();
    let (patch, body) = (content_type.to_owned(), serde_json::from_slice(body).unwrap_or_default());
    let asked = Asked { target, wanted, verb, patch, body };
    let mut locked = known.lock();
    let objects = &mut locked.objects;
    let answered = match objects.refusal(verb, path) {
        Some(refusal) => {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Err(Refused(status, refusal.reason, format!("refused: {}", refusal.reason)))
        }
        None if verb == "watch" => Ok((StatusCode::OK, Value::Null)),
        None => objects.handle(&asked),
    };
    let status = answered.as_ref().map_or_else(|refused| refused.0, |(status, _)| *status);
    objects.note(Request { verb, path: path.to_owned(), manager, status: status.as_u16() });
    drop(locked);
    match answered {
        Ok(_) if verb == "watch" => watching(known, asked),
        Ok((status, object)) => (status, Json(object)).into_response(),
        Err(Refused(status, reason, message)) => failure(status, reason, message),
    }
}

/// The answer for what can't be done.
pub(crate) fn failure(status: StatusCode, reason: &str, message: String) -> Response {
    let said = Status {
        status: Some("Failure".to_owned()),
        message: Some(message),
        reason: Some(reason.to_owned()),
        code: Some(i32::from(status.as_u16())),
        ..Status::default()
    };
    (status, Json(said)).into_response()
}

/// Tells changes as they come, until watches are let go.
fn watching(known: Arc<Mutex<Known>>, asked: Asked) -> Response {
    let progress = known.lock().objects.progress.subscribe();
    let (ended, seen) = (progress.borrow().ended, asked.wanted.version);
    let asked = Arc::new(asked);
    let lines = stream::unfold((seen, progress), move |(seen, mut progress)| {
        let (known, asked) = (Arc::clone(&known), Arc::clone(&asked));
        async move {
            loop {
                if progress.borrow_and_update().ended != ended {
                    return None;
                }
                let (lines, version) = {
                    let objects = &known.lock().objects;
                    (objects.lines_after(seen, &asked.target, &asked.wanted), objects.version())
                };
                if !lines.is_empty() {
                    return Some((Ok::<_, std::io::Error>(lines), (version, progress)));
                }
                progress.changed().await.ok()?;
            }
        }
    });
    Body::from_stream(lines).into_response()
}

impl Objects {
    fn handle(&mut self, asked: &Asked) -> Result<(StatusCode, Value), Refused> {
        let found = |object: Option<Value>, name: &str| {
            object.map(|object| (StatusCode::OK, object)).ok_or_else(|| missing(&asked.target, name))
        };
        match (asked.verb, asked.target.key()) {
            ("get", Some(key)) => found(self.all.get(&key).cloned(), &key.2),
            ("list", None) => Ok((StatusCode::OK, self.listed(asked))),
            ("create", None) => self.create(asked),
            ("update", Some(key)) => self.update(asked, key),
            ("patch", Some(key)) => self.patch(asked, key),
            ("delete", Some(key)) => found(self.remove(&key), &key.2),
            _ => Err(Refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", asked.verb.to_owned())),
        }
    }

    fn listed(&self, asked: &Asked) -> Value {
        let items = self.list(&asked.target, &asked.wanted);
        json!({
            "apiVersion": "v1", "kind": "List",
            "metadata": {"resourceVersion": self.version().to_string()}, "items": items,
        })
    }

    fn create(&mut self, asked: &Asked) -> Result<(StatusCode, Value), Refused> {
        let metadata = &asked.body["metadata"];
        let generated = || format!("{}{:05}", metadata["generateName"].as_str().unwrap_or_default(), self.version());
        let name = metadata["name"].as_str().map_or_else(generated, str::to_owned);
        let key = asked.target.named(&name);
        if self.all.contains_key(&key) {
            let message = format!("{} {name:?} already exists", asked.target.plural());
            return Err(Refused(StatusCode::CONFLICT, "AlreadyExists", message));
        }
        self.note_owner(&key, &asked.body, &asked.wanted.manager);
        Ok((StatusCode::CREATED, self.store(key, asked.body.clone())))
    }

    fn update(&mut self, asked: &Asked, key: Key) -> Result<(StatusCode, Value), Refused> {
        self.unchanged_since(asked, &key)?;
        if !self.all.contains_key(&key) {
            return Err(missing(&asked.target, &key.2));
        }
        self.note_owner(&key, &asked.body, &asked.wanted.manager);
        Ok((StatusCode::OK, self.store(key, asked.body.clone())))
    }

    fn patch(&mut self, asked: &Asked, key: Key) -> Result<(StatusCode, Value), Refused> {
        self.unchanged_since(asked, &key)?;
        let before = self.all.get(&key).cloned();
        let mut object = before.clone().unwrap_or_else(|| json!({}));
        match asked.patch.as_str() {
            "application/apply-patch+yaml" => {
                let (owners, wanted) = (self.owners.entry(key.clone()).or_default(), &asked.wanted);
                patch::apply(&mut object, &asked.body, owners, &wanted.manager, wanted.force)
                    .map_err(|message| Refused(StatusCode::CONFLICT, "Conflict", message))?;
            }
            _ if before.is_none() => return Err(missing(&asked.target, &key.2)),
            "application/merge-patch+json" => patch::merge(&mut object, &asked.body, Lists::Replaced),
            "application/strategic-merge-patch+json" => patch::merge(&mut object, &asked.body, Lists::ByName),
            other => {
                let message = format!("the body of the request was in an unknown format: {other}");
                return Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message));
            }
        }
        if before.as_ref() == Some(&object) {
            return Ok((StatusCode::OK, object));
        }
        if !asked.patch.starts_with("application/apply") {
            self.note_owner(&key, &asked.body, &asked.wanted.manager);
        }
        let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
        Ok((status, self.store(key, object)))
    }

    /// Refuses a change of a version that is not the last one.
    fn unchanged_since(&self, asked: &Asked, key: &Key) -> Result<(), Refused> {
        let seen = asked.body["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        match self.all.get(key) {
            Some(object) if !seen.is_empty() && object["metadata"]["resourceVersion"] != *seen => {
                let message = format!(
                    "Operation cannot be fulfilled on {} {:?}: the object has been modified; please apply your changes \
                     to the latest version and try again",
                    asked.target.plural(),
                    key.2
                );
                Err(Refused(StatusCode::CONFLICT, "Conflict", message))
            }
            _ => Ok(()),
        }
    }

    /// Notes who set the fields that `written` has.
    pub(super) fn note_owner(&mut self, key: &Key, written: &Value, manager: &str) {
        let fields = patch::fields(written).into_iter().map(|field| (field, manager.to_owned()));
        self.owners.entry(key.clone()).or_default().extend(fields);
    }
}

fn missing(target: &Target, name: &str) -> Refused {
    Refused(StatusCode::NOT_FOUND, "NotFound", format!("{} {name:?} not found", target.plural()))
}
