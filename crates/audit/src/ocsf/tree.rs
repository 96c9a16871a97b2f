//! Events as trees of values: slow, and plain to see that it is right. What is written must be the canonical form of this.

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use steeple_crypto::digest::sha256;

use crate::canonical::canonical;
use crate::catalogue::{Class, Listing, listing};
use crate::data::data;
use crate::fields::name;
use crate::ocsf::record_uid;
use crate::record::{Chain, OCSF_VERSION};
use crate::{Actor, CATALOGUE, Event};

/// The line of an event at the end of a chain.
pub(crate) fn line(event: &Event, chain: &Chain) -> Vec<u8> {
    let fingerprint =
        |hash| json!({ "algorithm_id": 3, "encoding_id": 1, "serialization_id": 2, "value": hex::encode(hash) });
    let mut attestation = json!({ "authority_uid": chain.authority, "chain_uid": chain.uid });
    if let Some(head) = chain.head {
        let uid = record_uid(&chain.uid, chain.next - 1);
        attestation["prev_event"] = json!({ "fingerprint": fingerprint(head), "uid": uid });
    }
    let mut record = Value::Object(members(event));
    record["metadata"] = metadata(event, &chain.uid, chain.next);
    record["attestation_list"] = json!([attestation]);
    let bare = sha256(&canonical(&record).unwrap());
    record["attestation_list"][0]["fingerprint"] = fingerprint(bare);
    canonical(&record).unwrap()
}

/// The event without what ties it to a chain.
fn members(event: &Event) -> Map<String, Value> {
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

/// The object `metadata` of a record.
fn metadata(event: &Event, chain: &str, sequence: u64) -> Value {
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
        Actor::Token { issuer, user, from } => {
            (json!({ "user": { "domain": &**issuer, "uid": &**user } }), actor(from).1)
        }
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
