//! What renderings and filters need of a record.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A record, as far as it is looked at here.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Facts {
    pub(crate) actor: Actor,
    pub(crate) attestation_list: Vec<Attestation>,
    pub(crate) entity: Option<Entity>,
    pub(crate) metadata: Metadata,
    pub(crate) severity_id: u8,
    pub(crate) src_endpoint: Endpoint,
    pub(crate) status_detail: Option<String>,
    pub(crate) status_id: u8,
    /// Milliseconds since 1970.
    pub(crate) time: i64,
    pub(crate) unmapped: Option<Map<String, Value>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Actor {
    pub(crate) app_name: Option<String>,
    pub(crate) authorizations: Option<Vec<Authorization>>,
    pub(crate) process: Option<Process>,
    pub(crate) user: Option<User>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Authorization {
    pub(crate) policy: Policy,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Policy {
    pub(crate) name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) uid: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Attestation {
    pub(crate) authority_uid: String,
    pub(crate) fingerprint: Fingerprint,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Fingerprint {
    pub(crate) value: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entity {
    pub(crate) data: Map<String, Value>,
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) correlation_uid: String,
    pub(crate) event_code: String,
    pub(crate) original_time: String,
    pub(crate) product: Product,
    pub(crate) sequence: u64,
    pub(crate) uid: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Product {
    pub(crate) version: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) ip: Option<String>,
    pub(crate) name: Option<String>,
}

impl Facts {
    /// Reads a line of the trail.
    pub(crate) fn of(line: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }

    /// The SPIFFE ID or the user's number; the name of what acts by itself.
    pub(crate) fn who(&self) -> &str {
        match (&self.actor.user, &self.actor.app_name) {
            (Some(user), _) => &user.uid,
            (None, Some(name)) => name,
            (None, None) => "",
        }
    }

    /// The binding that allows it.
    pub(crate) fn binding(&self) -> Option<&str> {
        Some(self.actor.authorizations.as_ref()?.first()?.policy.name.as_str())
    }

    /// Of which server it is, and its fingerprint.
    pub(crate) fn link(&self) -> (&str, &str) {
        self.attestation_list.first().map_or(("", ""), |link| (&link.authority_uid, &link.fingerprint.value))
    }

    /// What is changed or issued.
    pub(crate) fn object(&self) -> Option<&Map<String, Value>> {
        self.entity.as_ref().map(|entity| &entity.data).or(self.unmapped.as_ref())
    }
}

/// A record of each kind of member, as its line.
#[cfg(test)]
pub(crate) const EXAMPLE: &str = r#"{"activity_id":9,"actor":{"authorizations":[{"decision":"allow","policy":{"name":"ops"}}],"process":{"pid":8},"user":{"uid":"7"}},"attestation_list":[{"authority_uid":"spiffe://example.org/spire/server","chain_uid":"0f0f","fingerprint":{"algorithm_id":3,"encoding_id":1,"serialization_id":2,"value":"aa55"}}],"category_uid":3,"class_uid":3004,"entity":{"data":{"authority_id":"a|b=c\\d","authority_type":"x509"},"name":"a|b=c\\d","type":"authority"},"metadata":{"correlation_uid":"07","event_code":"authority_tainted","log_version":"1","original_time":"2026-01-02T03:04:05.678901234Z","product":{"name":"steeple","vendor_name":"steeple","version":"1.0.0"},"profiles":["record_integrity"],"sequence":17,"uid":"0f0f-17","version":"1.9.0"},"severity_id":4,"src_endpoint":{"name":"local socket"},"status_detail":"the datastore\nis away","status_id":2,"time":1767323045678,"type_uid":300409}"#;

#[cfg(test)]
pub(crate) fn example() -> Facts {
    Facts::of(EXAMPLE.as_bytes()).unwrap()
}
