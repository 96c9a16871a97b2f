//! What PostgreSQL's errors mean to an operator.

use std::error::Error as _;

use steeple_store::{ErrorClass, StoreError};
use tokio_postgres::Error;

use crate::pool::{self, lost};

/// What an error says, and whether its connection is of no use any more.
pub(super) fn judge(error: &Error, place: &str) -> (StoreError, bool) {
    let Some(answer) = error.as_db_error() else {
        return (lost(place, &reason(error)), true);
    };
    let said = format!("pq: {}", answer.message());
    let unavailable = |text: &str| {
        let message = format!("datastore-sql: {text} (\"{place}\"): {said}");
        (StoreError::new(ErrorClass::Unavailable, message), true)
    };
    let plain = |class| (StoreError::new(class, format!("datastore-sql: {said}")), false);
    // PostgreSQL's documentation, appendix A.
    match answer.code().code() {
        // Serialisation failure, deadlock, lock not available.
        "40001" | "40P01" | "55P03" => (StoreError::busy(format!("datastore-sql: {said}")), false),
        "53100" => unavailable("no space is left for the database; nothing was written; free space on its server"),
        "53300" => unavailable("the server has no connection left; lower max_open_conns or raise its max_connections"),
        "25006" => unavailable("the database is read-only; connection_string must name a server that can be written"),
        "28000" | "28P01" => {
            unavailable("the server refuses this user; check the user and password of connection_string")
        }
        "3D000" => unavailable("there is no such database; create it first"),
        "22021" | "22P05" => plain(ErrorClass::Malformed),
        // The server shuts down, or somebody ended the session, or nothing came for too long.
        "25P03" | "25P04" => (lost(place, &said), true),
        code if code.starts_with("57P") || code.starts_with("08") => (lost(place, &said), true),
        code if code.starts_with("23") => plain(ErrorClass::Conflict),
        _ => plain(ErrorClass::Internal),
    }
}

/// The error of a server that can't be reached, or that refused to talk.
pub(super) fn unconnected(error: &Error, place: &str) -> StoreError {
    if error.as_db_error().is_some() {
        let (error, _) = judge(error, place);
        return StoreError { transient: false, ..error };
    }
    pool::unreachable(place, reason(error))
}

/// The error with its causes, as far as it does not name them itself.
fn reason(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let said = deeper.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = deeper.source();
    }
    text
}
