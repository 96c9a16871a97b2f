//! What MySQL's errors mean to an operator.

use mysql_async::Error;
use steeple_store::{ErrorClass, StoreError};

use crate::pool::{self, lost};

/// What an error says, and whether its connection is of no use any more.
pub(super) fn judge(error: &Error, place: &str) -> (StoreError, bool) {
    let Error::Server(answer) = error else {
        return match error {
            Error::Driver(mysql_async::DriverError::StmtParamsNumberExceedsLimit { .. }) => {
                (StoreError::new(ErrorClass::Malformed, format!("datastore-sql: {error}")), false)
            }
            _ => (lost(place, &error.to_string()), true),
        };
    };
    // As Go's driver writes it.
    let said = format!("Error {} ({}): {}", answer.code, answer.state, answer.message);
    let unavailable = |text: &str| {
        let message = format!("datastore-sql: {text} (\"{place}\"): {said}");
        (StoreError::new(ErrorClass::Unavailable, message), true)
    };
    let plain = |class| (StoreError::new(class, format!("datastore-sql: {said}")), false);
    // MySQL's error reference; from 1900 on MariaDB's.
    match answer.code {
        // Deadlock, lock wait timeout, record changed since it was read.
        1213 | 1205 | 1020 => (StoreError::busy(format!("datastore-sql: {said}")), false),
        1021 | 1114 => unavailable("no space is left for the database; nothing was written; free space on its server"),
        1040 | 1203 | 1226 => {
            unavailable("the server has no connection left; lower max_open_conns or raise its max_connections")
        }
        1290 | 1792 | 1836 => {
            unavailable("the database is read-only; connection_string must name a server that can be written")
        }
        1044 | 1045 | 1698 => {
            unavailable("the server refuses this user; check the user and password of connection_string")
        }
        1049 => unavailable("there is no such database; create it first"),
        1062 => plain(ErrorClass::Conflict),
        // Too many values, a text that is too long or has characters that its column can't hold, or be compared to.
        1390 | 1406 | 1366 | 1267 | 1270 | 1271 => plain(ErrorClass::Malformed),
        // The server shuts down, or somebody ended the session.
        1053 | 1077 | 1317 | 1927 | 3024 => (lost(place, &said), true),
        _ => plain(ErrorClass::Internal),
    }
}

/// The error of a server that can't be reached, or that refused to talk.
pub(super) fn unconnected(error: &Error, place: &str) -> StoreError {
    if matches!(error, Error::Server(_)) {
        let (error, _) = judge(error, place);
        return StoreError { transient: false, ..error };
    }
    pool::unreachable(place, error)
}
