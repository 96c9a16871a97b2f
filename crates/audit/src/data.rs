//! What records tell of their objects: enough to make them again.
//!
//! Each credential has a record, so that theirs are written straight into the line; those of changes are built as a tree first.

use serde_json::{Map, Value, json};
use steeple_types::{Entry, SpiffeId, TrustDomain};

use crate::canonical::{self, NotCanonical, write_hex, write_number, write_text, write_time};
use crate::fields::told;
use crate::{AttestedSvid, EventKind, IssuedFor, X509Issued};

/// Adds all that is told of an event's object, in canonical form.
///
/// # Errors
/// [`NotCanonical`] for a number that not every reader holds exactly.
pub(crate) fn write(kind: &EventKind, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    match kind {
        EventKind::X509SvidIssued { id, svid } => {
            out.push(b'{');
            write_issued_for(svid.issued_for.as_ref(), out)?;
            out.extend_from_slice(b"\"expires_at\":");
            write_time(svid.expires_at, out);
            out.extend_from_slice(b",\"key_fingerprint\":\"");
            write_hex(&svid.key_fingerprint, out);
            out.extend_from_slice(b"\",\"serial_num\":");
            write_text(&svid.serial_number, out);
            write_id(id, out);
        }
        EventKind::JwtSvidIssued { id, jti, expires_at, issued_for } => {
            out.push(b'{');
            write_issued_for(issued_for.as_ref(), out)?;
            out.extend_from_slice(b"\"expires_at\":");
            write_time(*expires_at, out);
            if let Some(jti) = jti {
                out.extend_from_slice(b",\"jti\":");
                write_text(jti, out);
            }
            write_id(id, out);
        }
        _ => canonical::write(&Value::Object(data(kind)), out)?,
    }
    Ok(())
}

/// The first members of an issued credential's object.
fn write_issued_for(issued_for: Option<&IssuedFor>, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    if let Some(IssuedFor { entry_id, revision_number }) = issued_for {
        out.extend_from_slice(b"\"entry_id\":");
        write_text(entry_id.as_str(), out);
        out.extend_from_slice(b",\"entry_revision\":");
        write_number(*revision_number, out)?;
        out.push(b',');
    }
    Ok(())
}

/// Its last one.
fn write_id(id: &SpiffeId, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"spiffe_id\":");
    write_text(id.as_str(), out);
    out.push(b'}');
}

/// Adds what an entity is called: the first of its fields.
pub(crate) fn write_name(kind: &EventKind, out: &mut Vec<u8>) {
    match kind {
        EventKind::X509SvidIssued { id, svid } => write_text(name_of_svid(id, svid.issued_for.as_ref()), out),
        EventKind::JwtSvidIssued { id, issued_for, .. } => write_text(name_of_svid(id, issued_for.as_ref()), out),
        _ => write_text(told(kind).first().map_or("server", |(_, name)| name), out),
    }
}

fn name_of_svid<'a>(id: &'a SpiffeId, issued_for: Option<&'a IssuedFor>) -> &'a str {
    issued_for.map_or(id.as_str(), |issued_for| issued_for.entry_id.as_str())
}

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
