//! Records as events of the Elastic Common Schema.

use serde_json::{Map, Value, json};

use crate::facts::Facts;

/// Version of the schema whose fields are used.
const VERSION: &str = "8.17.0";

pub(super) fn render(facts: &Facts) -> String {
    let (authority, fingerprint) = facts.link();
    let metadata = &facts.metadata;
    let (category, kind) = categories(facts);
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    set("@timestamp", metadata.original_time.clone().into());
    set("ecs", json!({ "version": VERSION }));
    set(
        "event",
        json!({
            "kind": "event",
            "category": [category],
            "type": [kind],
            "action": metadata.event_code,
            "outcome": if facts.status_id == 1 { "success" } else { "failure" },
            "id": metadata.uid,
            "sequence": metadata.sequence,
            "severity": facts.severity_id,
            "hash": fingerprint,
            "module": "steeple",
            "dataset": "steeple.audit",
            "provider": authority,
        }),
    );
    set("service", json!({ "name": "steeple", "type": "steeple", "version": metadata.product.version }));
    set("user", json!({ "id": facts.who() }));
    if let Some(process) = &facts.actor.process {
        set("process", json!({ "pid": process.pid }));
    }
    if let Some(ip) = &facts.src_endpoint.ip {
        set("source", json!({ "ip": ip }));
    }
    if let Some(detail) = &facts.status_detail {
        set("error", json!({ "message": detail }));
    }
    if let Some(binding) = facts.binding() {
        set("rule", json!({ "name": binding }));
    }
    set(
        "steeple",
        json!({ "audit": {
            "correlation_id": metadata.correlation_uid,
            "object_type": facts.entity.as_ref().map(|entity| entity.kind.as_str()),
            "object_name": facts.entity.as_ref().map(|entity| entity.name.as_str()),
            "object": facts.object(),
        } }),
    );
    Value::Object(fields).to_string()
}

/// `event.category` and `event.type`.
fn categories(facts: &Facts) -> (&'static str, &'static str) {
    let event = facts.metadata.event_code.as_str();
    let kind = match event.rsplit('_').next().unwrap_or_default() {
        "created" | "prepared" | "issued" | "attested" | "published" => "creation",
        "deleted" | "revoked" | "pruned" => "deletion",
        "started" => "start",
        "stopped" => "end",
        "denied" => "denied",
        "read" | "searched" | "exported" => "access",
        _ => "change",
    };
    let category = match event.split('_').next().unwrap_or_default() {
        "server" => "process",
        "entry" | "agent" | "join" | "binding" | "approval" => "iam",
        "x509" | "jwt" => "authentication",
        _ => "configuration",
    };
    // Schema: `authentication` knows no creation.
    let kind = if (category, kind) == ("authentication", "creation") { "info" } else { kind };
    (category, kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::example;

    #[test]
    fn record_is_told_by_the_schemas_fields() {
        let told: Value = serde_json::from_str(&render(&example())).unwrap();
        assert_eq!(
            told,
            json!({
                "@timestamp": "2026-01-02T03:04:05.678901234Z",
                "ecs": { "version": "8.17.0" },
                "event": {
                    "kind": "event", "category": ["configuration"], "type": ["change"], "action": "authority_tainted",
                    "outcome": "failure", "id": "0f0f-17", "sequence": 17, "severity": 4, "hash": "aa55",
                    "module": "steeple", "dataset": "steeple.audit", "provider": "spiffe://example.org/spire/server",
                },
                "service": { "name": "steeple", "type": "steeple", "version": "1.0.0" },
                "user": { "id": "7" },
                "process": { "pid": 8 },
                "error": { "message": "the datastore\nis away" },
                "rule": { "name": "ops" },
                "steeple": { "audit": {
                    "correlation_id": "07", "object_type": "authority", "object_name": "a|b=c\\d",
                    "object": { "authority_id": "a|b=c\\d", "authority_type": "x509" },
                } },
            })
        );
    }
}
