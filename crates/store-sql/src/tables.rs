//! SPIRE's tables: rows to records and back. One module per aggregate, over any [`Connection`](crate::connection::Connection).

pub(crate) mod bundles;
mod children;
pub(crate) mod entries;
pub(crate) mod entry_writes;
pub(crate) mod join_tokens;
pub(crate) mod journals;
pub(crate) mod nodes;
pub(crate) mod relationships;
mod rows;

use steeple_store::{ErrorClass, StoreError};
use steeple_types::{SpiffeId, TrustDomain};

use crate::connection::Result;

pub(crate) use rows::Rows;
use rows::{readable, readable_rows};

/// A stored record that makes no sense.
fn unreadable(what: &str, key: &str, reason: impl std::fmt::Display) -> StoreError {
    let message = format!("datastore-sql: the stored {what} \"{key}\" can't be read: {reason}");
    StoreError::new(ErrorClass::Unreadable, message)
}

/// A SPIFFE ID in the record `key`.
fn spiffe_id(text: &str, what: &str, key: &str) -> Result<SpiffeId> {
    SpiffeId::parse(text).map_err(|error| unreadable(what, key, format_args!("SPIFFE ID \"{text}\" {error}")))
}

/// A trust domain in the record `key`.
fn trust_domain(text: &str, what: &str, key: &str) -> Result<TrustDomain> {
    TrustDomain::parse(text).map_err(|error| unreadable(what, key, format_args!("trust domain \"{text}\" {error}")))
}
