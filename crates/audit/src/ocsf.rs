//! Events as OCSF 1.9 has them.

use serde_json::{Map, Value, json};

use crate::catalogue::{Class, Listing, listing};
use crate::fields::{name, told};
use crate::record::OCSF_VERSION;
use crate::{Actor, CATALOGUE, Event};

/// The event without what ties it to a chain.
pub(crate) fn event(event: &Event) -> Map<String, Value> {
    let Listing { class, activity, severity, entity } = listing(&event.kind);
    let (category, class_uid) = (class.category(), class.uid());
    let data: Map<String, Value> =
        told(&event.kind).into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let (actor, source) = actor(&event.actor);
    let mut members = json!({
        "activity_id": activity,
        "category_uid": category,
        "class_uid": class_uid,
        "type_uid": class_uid * 100 + activity,
        "severity_id": severity,
        "status_id": 1,
        "time": event.at.as_millisecond(),
        "actor": actor,
        "src_endpoint": source,
    });
    let object = match class {
        Class::EntityManagement => ("entity", json!({ "name": name_of(&data), "type": entity, "data": &data })),
        Class::ApplicationLifecycle => ("app", json!({ "name": entity, "vendor_name": "steeple" })),
    };
    let mut members = members.as_object_mut().map(std::mem::take).unwrap_or_default();
    if class == Class::ApplicationLifecycle {
        members.insert("unmapped".to_owned(), Value::Object(data));
    }
    members.insert(object.0.to_owned(), object.1);
    members
}

/// What an entity is called: the first of its fields.
fn name_of(data: &Map<String, Value>) -> Value {
    data.values().next().cloned().unwrap_or_else(|| json!("server"))
}

/// The identifier of a record.
pub(crate) fn record_uid(chain: &str, sequence: u64) -> String {
    format!("{chain}-{sequence}")
}

/// The object `metadata` of a record.
pub(crate) fn metadata(event: &Event, chain: &str, sequence: u64) -> Value {
    json!({
        "event_code": name(&event.kind),
        "log_version": CATALOGUE.to_string(),
        "original_time": event.at.to_string(),
        "product": { "name": "steeple", "vendor_name": "steeple", "version": env!("CARGO_PKG_VERSION") },
        "profiles": ["record_integrity"],
        "sequence": sequence,
        "uid": record_uid(chain, sequence),
        "version": OCSF_VERSION,
    })
}

/// Who asked, and from where.
fn actor(actor: &Actor) -> (Value, Value) {
    match actor {
        Actor::Server => (json!({ "app_name": "server" }), json!({ "name": "server" })),
        Actor::Local { uid, pid } => {
            let process = json!({ "process": { "pid": pid }, "user": { "uid": uid.to_string() } });
            (process, json!({ "name": "local socket" }))
        }
        Actor::Svid(id) => (json!({ "user": { "uid": id.to_string() } }), json!({ "name": "network" })),
        Actor::Anonymous => (json!({ "app_name": "unauthenticated" }), json!({ "name": "network" })),
    }
}
