//! What records tell of their objects: enough to make them again.

use serde_json::{Map, Value, json};
use steeple_types::{Entry, TrustDomain};

use crate::fields::told;
use crate::{AttestedSvid, EventKind, IssuedFor, X509Issued};

/// All that is told of an event's object.
pub(crate) fn data(kind: &EventKind) -> Map<String, Value> {
    let mut data: Map<String, Value> =
        told(kind).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let more = match kind {
        EventKind::EntryCreated { entry } => json!({ "entry": whole(entry) }),
        EventKind::EntryUpdated { entry, members } => json!({ "entry": whole(entry), "members": members }),
        EventKind::AgentAttested { svid, .. } => attested(svid),
        EventKind::AgentRenewed { expires_at, .. } => json!({ "expires_at": expires_at.to_string() }),
        EventKind::X509SvidIssued { svid, .. } => issued(svid),
        EventKind::JwtSvidIssued { issued_for: Some(issued_for), .. } => revision(issued_for),
        _ => Value::Null,
    };
    if let Value::Object(more) = more {
        data.extend(more);
    }
    data
}

fn whole(entry: &Entry) -> Value {
    let selectors: Vec<String> = entry.selectors.iter().map(ToString::to_string).collect();
    let federates_with: Vec<&str> = entry.federates_with.iter().map(TrustDomain::name).collect();
    json!({
        "id": entry.id.as_str(),
        "spiffe_id": entry.spiffe_id.as_str(),
        "parent_id": entry.parent_id.as_str(),
        "selectors": selectors,
        "x509_svid_ttl": entry.x509_svid_ttl,
        "jwt_svid_ttl": entry.jwt_svid_ttl,
        "federates_with": federates_with,
        "admin": entry.admin,
        "downstream": entry.downstream,
        "expires_at": entry.expires_at.map(|at| at.to_string()),
        "dns_names": entry.dns_names,
        "store_svid": entry.store_svid,
        "hint": entry.hint,
        "disable_x509_svid_prefetch": entry.disable_x509_svid_prefetch,
        "jwt_svid_include_jti": entry.jwt_svid_include_jti,
    })
}

fn attested(svid: &AttestedSvid) -> Value {
    let selectors: Vec<String> = svid.selectors.iter().map(ToString::to_string).collect();
    json!({
        "expires_at": svid.expires_at.to_string(),
        "selectors": selectors,
        "can_reattest": svid.can_reattest,
    })
}

fn issued(svid: &X509Issued) -> Value {
    let mut more = svid.issued_for.as_ref().map_or_else(|| json!({}), revision);
    if let Some(more) = more.as_object_mut() {
        more.insert("key_fingerprint".to_owned(), hex::encode(svid.key_fingerprint).into());
    }
    more
}

fn revision(issued_for: &IssuedFor) -> Value {
    json!({ "entry_revision": issued_for.revision_number })
}
