//! Events as OCSF 1.9 has them.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::catalogue::{Class, Listing, listing};
use crate::data::data;
use crate::fields::name;
use crate::record::OCSF_VERSION;
use crate::{Actor, CATALOGUE, Event};

/// The event without what ties it to a chain.
pub(crate) fn event(event: &Event) -> Map<String, Value> {
    let Listing { class, activity, severity, entity } = listing(&event.kind);
    let (category, class_uid) = (class.category(), class.uid());
    let data = data(&event.kind);
    let (actor, source) = actor(&event.actor);
    let mut members = json!({
        "activity_id": activity,
        "category_uid": category,
        "class_uid": class_uid,
        "type_uid": class_uid * 100 + activity,
        "severity_id": severity,
        "status_id": if event.failure.is_some() { 2 } else { 1 },
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
    if let Some(failure) = &event.failure {
        members.insert("status_detail".to_owned(), failure.as_str().into());
    }
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
        "correlation_uid": format!("{:032x}", event.correlation),
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
fn actor(of: &Actor) -> (Value, Value) {
    match of {
        Actor::Server => (json!({ "app_name": "server" }), json!({ "name": "server" })),
        Actor::Local { uid, pid } => {
            let process = json!({ "process": { "pid": pid }, "user": { "uid": uid.to_string() } });
            (process, json!({ "name": "local socket" }))
        }
        Actor::Svid { id, address } => (json!({ "user": { "uid": id.to_string() } }), network(*address)),
        Actor::Anonymous { address } => (json!({ "app_name": "unauthenticated" }), network(*address)),
        Actor::Bound { actor: bound, by } => {
            let (mut told, source) = actor(bound);
            let allowed = json!([{ "decision": "allow", "policy": { "name": &**by } }]);
            if let Some(members) = told.as_object_mut() {
                members.insert("authorizations".to_owned(), allowed);
            }
            (told, source)
        }
    }
}

fn network(address: Option<IpAddr>) -> Value {
    match address {
        Some(address) => json!({ "ip": address.to_string() }),
        None => json!({ "name": "network" }),
    }
}
