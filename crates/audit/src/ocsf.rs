//! Events as OCSF 1.9 has them, written in canonical form.
//!
//! The members stand here in the order of RFC 8785, so that no tree has to be built and sorted; `tree.rs` has the tree, with
//! which the tests compare.

#[cfg(test)]
#[path = "ocsf/tree.rs"]
mod tree;

use std::net::IpAddr;

use crate::canonical::{NotCanonical, write_hex, write_number, write_text, write_time};
use crate::catalogue::{Class, Listing, listing};
use crate::fields::name;
use crate::record::OCSF_VERSION;
use crate::{Actor, CATALOGUE, Event, data};

/// The identifier of a record.
pub(crate) fn record_uid(chain: &str, sequence: u64) -> String {
    format!("{chain}-{sequence}")
}

/// Adds the members before `attestation_list`, each with the comma after it.
pub(crate) fn write_head(event: &Event, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    let Listing { class, activity, entity, .. } = listing(&event.kind);
    out.extend_from_slice(b"{\"activity_id\":");
    write_number(activity, out)?;
    out.extend_from_slice(b",\"actor\":");
    write_actor(&event.actor, out)?;
    if class == Class::ApplicationLifecycle {
        out.extend_from_slice(b",\"app\":{\"name\":");
        write_text(entity, out);
        out.extend_from_slice(b",\"vendor_name\":\"steeple\"}");
    }
    out.push(b',');
    Ok(())
}

/// Adds the members after `attestation_list`, as far as `metadata.profiles`, and a comma.
pub(crate) fn write_middle(event: &Event, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    let Listing { class, entity, .. } = listing(&event.kind);
    out.extend_from_slice(b"\"category_uid\":");
    write_number(class.category(), out)?;
    out.extend_from_slice(b",\"class_uid\":");
    write_number(class.uid(), out)?;
    if class == Class::EntityManagement {
        out.extend_from_slice(b",\"entity\":{\"data\":");
        data::write(&event.kind, out)?;
        out.extend_from_slice(b",\"name\":");
        data::write_name(&event.kind, out);
        out.extend_from_slice(b",\"type\":");
        write_text(entity, out);
        out.push(b'}');
    }
    out.extend_from_slice(b",\"metadata\":{\"correlation_uid\":\"");
    write_hex(&event.correlation.to_be_bytes(), out);
    out.extend_from_slice(b"\",\"event_code\":");
    write_text(name(&event.kind), out);
    out.extend_from_slice(b",\"log_version\":\"");
    write_number(CATALOGUE, out)?;
    out.extend_from_slice(b"\",\"original_time\":");
    write_time(event.at, out);
    out.extend_from_slice(b",\"product\":{\"name\":\"steeple\",\"vendor_name\":\"steeple\",\"version\":\"");
    out.extend_from_slice(env!("CARGO_PKG_VERSION").as_bytes());
    out.extend_from_slice(b"\"},\"profiles\":[\"record_integrity\"],");
    Ok(())
}

/// Adds the members after `metadata.uid`.
pub(crate) fn write_tail(event: &Event, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    let Listing { class, activity, severity, .. } = listing(&event.kind);
    out.extend_from_slice(b",\"version\":");
    write_text(OCSF_VERSION, out);
    out.extend_from_slice(b"},\"severity_id\":");
    write_number(severity, out)?;
    out.extend_from_slice(b",\"src_endpoint\":");
    write_source(&event.actor, out);
    match &event.failure {
        Some(failure) => {
            out.extend_from_slice(b",\"status_detail\":");
            write_text(failure, out);
            out.extend_from_slice(b",\"status_id\":2");
        }
        None => out.extend_from_slice(b",\"status_id\":1"),
    }
    out.extend_from_slice(b",\"time\":");
    write_number(event.at.as_millisecond(), out)?;
    out.extend_from_slice(b",\"type_uid\":");
    write_number(class.uid() * 100 + activity, out)?;
    if class == Class::ApplicationLifecycle {
        out.extend_from_slice(b",\"unmapped\":");
        data::write(&event.kind, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Who asked, and by which binding he may.
fn write_actor(actor: &Actor, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    // Members are in order: it is after `app_name` and before all others.
    let allowed = |out: &mut Vec<u8>, before: &[u8], after: &[u8]| {
        if let Actor::Bound { by, .. } = actor {
            out.extend_from_slice(before);
            out.extend_from_slice(b"\"authorizations\":[{\"decision\":\"allow\",\"policy\":{\"name\":");
            write_text(by, out);
            out.extend_from_slice(b"}}]");
            out.extend_from_slice(after);
        }
    };
    out.push(b'{');
    match party(actor) {
        // Only what binds is bound, and `party` has gone through all of that.
        Actor::Server | Actor::Bound { .. } => {
            out.extend_from_slice(b"\"app_name\":\"server\"");
            allowed(out, b",", b"");
        }
        Actor::Anonymous { .. } => {
            out.extend_from_slice(b"\"app_name\":\"unauthenticated\"");
            allowed(out, b",", b"");
        }
        Actor::Local { uid, pid } => {
            allowed(out, b"", b",");
            out.extend_from_slice(b"\"process\":{\"pid\":");
            write_number(*pid, out)?;
            out.extend_from_slice(b"},\"user\":{\"uid\":\"");
            write_number(*uid, out)?;
            out.extend_from_slice(b"\"}");
        }
        Actor::Svid { id, .. } => {
            allowed(out, b"", b",");
            out.extend_from_slice(b"\"user\":{\"uid\":");
            write_text(id.as_str(), out);
            out.push(b'}');
        }
        Actor::Token { issuer, user, .. } => {
            allowed(out, b"", b",");
            out.extend_from_slice(b"\"user\":{\"domain\":");
            write_text(issuer, out);
            out.extend_from_slice(b",\"uid\":");
            write_text(user, out);
            out.push(b'}');
        }
    }
    out.push(b'}');
    Ok(())
}

/// Who it is that a binding allows it.
fn party(mut actor: &Actor) -> &Actor {
    while let Actor::Bound { actor: bound, .. } = actor {
        actor = bound;
    }
    actor
}

/// From where.
fn write_source(actor: &Actor, out: &mut Vec<u8>) {
    match party(actor) {
        Actor::Server | Actor::Bound { .. } => out.extend_from_slice(b"{\"name\":\"server\"}"),
        Actor::Local { .. } => out.extend_from_slice(b"{\"name\":\"local socket\"}"),
        Actor::Svid { address, .. } | Actor::Anonymous { address } => write_network(*address, out),
        Actor::Token { from, .. } => write_source(from, out),
    }
}

fn write_network(address: Option<IpAddr>, out: &mut Vec<u8>) {
    match address {
        Some(address) => {
            out.extend_from_slice(b"{\"ip\":");
            write_text(&address.to_string(), out);
            out.push(b'}');
        }
        None => out.extend_from_slice(b"{\"name\":\"network\"}"),
    }
}

#[cfg(test)]
#[path = "ocsf/tests.rs"]
mod tests;
