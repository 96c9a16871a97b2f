//! What is wrong with a connection string or with the server is told, and no secret with it.

use steeple_clock::Clock;
use steeple_store::units::CreateJoinToken;
use steeple_store::{Backend, EntryFilter, ErrorClass, JoinToken, Match, Page, StoreError, Unit};
use steeple_store_sql::{SqlBackend, SqlConfig};
use steeple_types::Selector;

use crate::{Server, on_servers};

on_servers! { database_that_is_absent_is_named, filter_with_too_many_values_is_refused }

fn open(database_type: &str, connection_string: &str) -> StoreError {
    SqlBackend::open(&SqlConfig::new(database_type, connection_string), Clock::system()).err().unwrap()
}

fn database_that_is_absent_is_named(server: Server) {
    let error = server.open("absent").err().unwrap();
    assert_eq!((error.class, error.transient), (ErrorClass::Unavailable, false));
    assert!(error.message.contains("database absent") && error.message.contains("create it first"), "{error}");
}

#[test]
fn server_that_is_not_there_is_named() {
    for (kind, connection_string) in [
        ("postgres", "host=127.0.0.1 port=1 user=u password=secret dbname=d"),
        ("postgres", "postgres://u:secret@127.0.0.1:1/d"),
        ("postgres", "host=/nonexistent user=u password=secret"),
        ("mysql", "u:secret@tcp(127.0.0.1:1)/d?parseTime=true"),
        ("mysql", "u:secret@unix(/nonexistent)/d?parseTime=true"),
    ] {
        let error = open(kind, connection_string);
        assert_eq!((error.class, error.transient), (ErrorClass::Unavailable, false), "{error}");
        let place = if connection_string.contains("nonexistent") { "/nonexistent" } else { "127.0.0.1:1" };
        assert!(error.message.contains("can't be reached") && error.message.contains(place), "{error}");
        assert!(!error.message.contains("secret"), "{error}");
    }
}

#[test]
fn user_that_the_server_does_not_know_is_told() {
    let refused = |error: &StoreError| error.message.contains("the server refuses this user");
    if let Some(Server::Postgres(server)) = crate::postgres() {
        let connection_string =
            server.connection_string("postgres").replace("user=spire", "user=nobody password=secret");
        let error = open("postgres", &connection_string);
        assert!(refused(&error) && !error.message.contains("secret"), "{error}");
    }
    if let Some(Server::MySql(server)) = crate::mysql() {
        let connection_string = server.connection_string("mysql").replace("root@", "root:secret@");
        let error = open("mysql", &connection_string);
        assert!(refused(&error) && !error.message.contains("secret"), "{error}");
    }
}

/// Test servers have no strict mode of their own.
#[test]
fn text_that_does_not_fit_its_column_in_mysql_is_refused_and_not_cut_off() {
    let Some(server) = crate::mysql() else { return };
    let database = server.create_database();
    let backend = server.open(&database).unwrap();
    for token in ["x".repeat(256), "\u{1f600}".to_owned()] {
        let token = JoinToken { token, expires_at: jiff::Timestamp::UNIX_EPOCH };
        let unit = CreateJoinToken { token, entry: None };
        let error = backend.write(&mut |tx| unit.run(tx)).unwrap_err();
        assert_eq!(error.class, ErrorClass::Malformed, "{error}");
    }
    assert_eq!(server.sql(&database, "SELECT COUNT(*) FROM join_tokens"), "0");
}

fn filter_with_too_many_values_is_refused(server: Server) {
    let backend = server.open(&server.create_database()).unwrap();
    let selectors = (0..40_000).map(|number| Selector::new("unix", format!("uid:{number}")).unwrap()).collect();
    let filter = EntryFilter { selectors: Some((selectors, Match::Any)), ..EntryFilter::default() };
    let error = backend.read(&mut |tx| tx.entries(&filter, &Page::default()).map(drop)).unwrap_err();
    assert!(error.message.len() < 300, "the statement is no part of it: {error}");
    backend.read(&mut |tx| tx.count_entries(&EntryFilter::default()).map(drop)).unwrap();
}
