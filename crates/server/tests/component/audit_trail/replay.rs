//! What a server holds, as it tells it, and as its audit trail does.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use steeple_crypto::x509::Certificate;
use steeple_net::Answers;
use steeple_proto::spire::api::server as pb;
use steeple_proto::spire::api::types;

use crate::bench::Calls;

/// Entries by ID, agents by ID with serial number and selectors, IDs of X.509 authorities with whether they are tainted.
#[derive(Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) entries: BTreeMap<String, Value>,
    pub(super) agents: BTreeMap<String, Value>,
    pub(super) authorities: BTreeMap<String, bool>,
}

impl State {
    /// What the server tells.
    pub(super) async fn held<A: Answers>(calls: &Calls<A>) -> Self {
        let entries = calls.entry().list_entries(pb::entry::v1::ListEntriesRequest::default()).await.unwrap();
        let agents = calls.agent().list_agents(pb::agent::v1::ListAgentsRequest::default()).await.unwrap();
        let bundle = calls.bundle().get_bundle(pb::bundle::v1::GetBundleRequest::default()).await.unwrap();
        let authority = |authority: &types::X509Certificate| {
            let certificate = Certificate::from_der(&authority.asn1).unwrap();
            (hex::encode(certificate.subject_key_id()), authority.tainted)
        };
        Self {
            entries: entries.into_inner().entries.iter().map(|entry| (entry.id.clone(), entry_json(entry))).collect(),
            agents: agents.into_inner().agents.iter().map(agent_json).collect(),
            authorities: bundle.into_inner().x509_authorities.iter().map(authority).collect(),
        }
    }

    /// What follows from the records.
    pub(super) fn replayed(records: &[Value]) -> Self {
        let correlation = |record: &Value| record["metadata"]["correlation_uid"].as_str().unwrap().to_owned();
        let is_failure = |record: &&Value| record["status_id"] == 2;
        let failed: BTreeSet<String> = records.iter().filter(is_failure).map(correlation).collect();
        let mut state = Self::default();
        for record in records.iter().filter(|record| !failed.contains(&correlation(record))) {
            let event = record["metadata"]["event_code"].as_str().unwrap();
            state.apply(event, record["entity"]["data"].as_object().unwrap_or(&Map::new()));
        }
        state
    }

    fn apply(&mut self, event: &str, data: &Map<String, Value>) {
        let text = |name: &str| data[name].as_str().unwrap().to_owned();
        match event {
            "entry_created" => {
                let mut entry = data["entry"].clone();
                entry["revision_number"] = json!(0);
                self.entries.insert(text("entry_id"), entry);
            }
            "entry_updated" => {
                let entry = self.entries.get_mut(&text("entry_id")).unwrap();
                for member in data["members"].as_array().unwrap().iter().filter_map(Value::as_str) {
                    match member {
                        "additional_attributes" => {
                            for name in ["disable_x509_svid_prefetch", "jwt_svid_include_jti"] {
                                entry[name] = data["entry"][name].clone();
                            }
                        }
                        _ => entry[member] = data["entry"][member].clone(),
                    }
                }
                entry["revision_number"] = json!(entry["revision_number"].as_i64().unwrap() + 1);
            }
            "entry_deleted" => drop(self.entries.remove(&text("entry_id")).unwrap()),
            "agent_attested" => {
                let agent = json!({ "serial_num": data["serial_num"], "selectors": data["selectors"] });
                self.agents.insert(text("agent_id"), agent);
            }
            "agent_banned" => self.agents.get_mut(&text("agent_id")).unwrap()["serial_num"] = json!(""),
            "agent_deleted" => drop(self.agents.remove(&text("agent_id")).unwrap()),
            "authority_prepared" if data["authority_type"] == "x509" => {
                self.authorities.insert(text("authority_id"), false);
            }
            "authority_tainted" if data["authority_type"] == "x509" => {
                self.authorities.insert(text("authority_id"), true);
            }
            "authority_revoked" if data["authority_type"] == "x509" => {
                self.authorities.remove(&text("authority_id")).unwrap();
            }
            _ => {}
        }
    }
}

fn id(id: Option<&types::Spiffeid>) -> String {
    id.map(|id| format!("spiffe://{}{}", id.trust_domain, id.path)).unwrap_or_default()
}

fn selectors(selectors: &[types::Selector]) -> Vec<String> {
    let mut texts: Vec<String> = selectors.iter().map(|s| format!("{}:{}", s.r#type, s.value)).collect();
    texts.sort();
    texts
}

fn entry_json(entry: &types::Entry) -> Value {
    let expires_at = (entry.expires_at > 0).then(|| Timestamp::from_second(entry.expires_at).unwrap().to_string());
    let more = entry.additional_attributes.unwrap_or_default();
    json!({
        "id": entry.id,
        "spiffe_id": id(entry.spiffe_id.as_ref()),
        "parent_id": id(entry.parent_id.as_ref()),
        "selectors": selectors(&entry.selectors),
        "x509_svid_ttl": entry.x509_svid_ttl,
        "jwt_svid_ttl": entry.jwt_svid_ttl,
        "federates_with": entry.federates_with,
        "admin": entry.admin,
        "downstream": entry.downstream,
        "expires_at": expires_at,
        "dns_names": entry.dns_names,
        "store_svid": entry.store_svid,
        "hint": entry.hint,
        "disable_x509_svid_prefetch": more.disable_x509_svid_prefetch,
        "jwt_svid_include_jti": more.jwt_svid_include_jti,
        "revision_number": entry.revision_number,
    })
}

fn agent_json(agent: &types::Agent) -> (String, Value) {
    let serial = if agent.banned { "" } else { agent.x509svid_serial_number.as_str() };
    (id(agent.id.as_ref()), json!({ "serial_num": serial, "selectors": selectors(&agent.selectors) }))
}
