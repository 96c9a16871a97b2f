//! Connections that break off.

use std::sync::{Arc, mpsc};

use steeple_clock::Clock;
use steeple_store::units::{CreateEntry, CreateJoinToken};
use steeple_store::{Backend, ErrorClass, JoinToken, Store, StoreError, Unit, WriteTx};
use steeple_store_sql::{SqlBackend, SqlConfig};
use steeple_types::{Entry, EntryId, SpiffeId};

use crate::proxy::Proxy;
use crate::{Server, on_servers};

on_servers! {
    connections_that_the_server_ended_are_replaced,
    write_whose_connection_breaks_off_is_worth_repeating_and_leaves_nothing,
    full_pool_makes_callers_wait,
    server_that_falls_silent_in_a_write_holds_up_others_for_a_while_only,
    two_hundred_cuts_leave_nothing_half_written_and_lose_nothing,
}

/// Connections that are cut in the drill.
const CUTS: usize = 200;

fn add(name: &str) -> CreateJoinToken {
    let token = JoinToken { token: name.to_owned(), expires_at: jiff::Timestamp::UNIX_EPOCH };
    CreateJoinToken { token, entry: None }
}

fn write(backend: &SqlBackend, name: &str) -> Result<(), StoreError> {
    backend.write(&mut |tx| add(name).run(tx)).map(drop)
}

fn tokens(server: Server, database: &str) -> String {
    server.sql(database, "SELECT token FROM join_tokens ORDER BY id").replace('\n', " ")
}

fn connections_that_the_server_ended_are_replaced(server: Server) {
    let database = server.create_database();
    let backend = server.open(&database).unwrap();
    write(&backend, "a").unwrap();
    server.disconnect(&database);
    write(&backend, "b").unwrap();
    server.disconnect(&database);
    backend.read(&mut |tx| tx.join_token("a").map(drop)).unwrap();
    assert_eq!(tokens(server, &database), "a b");
}

fn write_whose_connection_breaks_off_is_worth_repeating_and_leaves_nothing(server: Server) {
    let database = server.create_database();
    let backend = server.open(&database).unwrap();
    let mut broken = |tx: &mut dyn WriteTx| {
        add("lost").run(tx)?;
        server.disconnect(&database);
        add("never").run(tx)
    };
    let error = backend.write(&mut broken).unwrap_err();
    assert_eq!((error.class, error.transient), (ErrorClass::Unavailable, true), "{error}");
    assert!(error.message.contains("was lost"), "{error}");
    assert_eq!(tokens(server, &database), "");
    // At the commit nobody can tell, so nobody repeats it.
    let mut unknown = |tx: &mut dyn WriteTx| {
        add("unknown").run(tx)?;
        server.disconnect(&database);
        Ok(())
    };
    let error = backend.write(&mut unknown).unwrap_err();
    assert_eq!((error.class, error.transient), (ErrorClass::Unavailable, false), "{error}");
    assert!(error.message.contains("it may have been written"), "{error}");
    write(&backend, "kept").unwrap();
    assert_eq!(tokens(server, &database), "kept");
}

fn full_pool_makes_callers_wait(server: Server) {
    let database = server.create_database();
    let config = SqlConfig { max_open_conns: Some(1), ..server.config(&database) };
    let backend = &SqlBackend::open(&config, Clock::system()).unwrap();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            scope.spawn(move || write(backend, name).unwrap());
        }
    });
    assert_eq!(tokens(server, &database).len(), "a b c".len());
}

/// A write of another server that stopped in the middle, or can't be reached, has the turn: who waits for it is told after a
/// while, which is worth repeating, until the database takes the turn back.
fn server_that_falls_silent_in_a_write_holds_up_others_for_a_while_only(server: Server) {
    let database = server.create_database();
    let (silent, other) = (server.open(&database).unwrap(), server.open(&database).unwrap());
    let (entered, has_entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let stopped = scope.spawn(move || {
            silent.write(&mut |tx| {
                add("silent").run(tx)?;
                entered.send(()).unwrap();
                may_leave.recv().unwrap();
                add("too late").run(tx)
            })
        });
        has_entered.recv().unwrap();
        let mut tries = Vec::new();
        while tries.len() < 12 && tries.last() != Some(&Ok(())) {
            tries.push(write(&other, "other"));
        }
        leave.send(()).unwrap();
        let stopped = stopped.join().unwrap();
        let (last, waits) = tries.split_last().unwrap();
        assert_eq!(*last, Ok(()), "the turn is never taken back");
        assert!(!waits.is_empty(), "who waits is not told");
        for error in waits.iter().map(|wait| wait.as_ref().unwrap_err()) {
            assert!(error.transient && error.message.to_lowercase().contains("lock"), "{error}");
        }
        let error = stopped.unwrap_err();
        assert!(error.transient, "{error}");
    });
    assert_eq!(tokens(server, &database), "other");
}

/// Writes through a proxy that cuts its connections, wherever they are; as the server does, by the handle that repeats what is
/// worth it. What a write consists of is there as a whole or not at all, and all that was acknowledged is there.
fn two_hundred_cuts_leave_nothing_half_written_and_lose_nothing(server: Server) {
    let (database, folder) = (server.create_database(), tempfile::tempdir().unwrap());
    drop(server.open(&database).unwrap());
    let (connection_string, socket) = server.elsewhere(&database, folder.path());
    let proxy = Proxy::new(&socket, server.socket());
    let config = SqlConfig::new(server.kind(), connection_string);
    // The proxy may cut the first connections too.
    let backend = std::iter::repeat_with(|| SqlBackend::open(&config, Clock::system())).find_map(Result::ok).unwrap();
    let store = Store::new(Arc::new(backend), Clock::system(), Arc::new(|_, _, _| {}));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let name = format!("e{number}");
        let selectors = ["a:1", "b:2"].map(|text| text.parse().unwrap()).into_iter().collect();
        let id = |path: &str| SpiffeId::parse(&format!("spiffe://example.org/{path}")).unwrap();
        let entry_id = EntryId::parse(&name).unwrap();
        let entry = Entry::new(entry_id, id(&name), id("parent"), selectors, jiff::Timestamp::UNIX_EPOCH);
        if runtime.block_on(store.write(CreateEntry { entry })).is_ok() {
            acknowledged.push(name);
        }
        if proxy.cuts() >= CUTS {
            break;
        }
    }
    let names =
        |statement: &str| -> Vec<String> { server.sql(&database, statement).lines().map(str::to_owned).collect() };
    let stored = names("SELECT entry_id FROM registered_entries ORDER BY id");
    let lost: Vec<_> = acknowledged.iter().filter(|name| !stored.contains(name)).collect();
    assert!(acknowledged.len() > CUTS / 4 && lost.is_empty(), "{lost:?} of {}", acknowledged.len());
    let whole = "SELECT E.entry_id FROM registered_entries E INNER JOIN selectors S ON S.registered_entry_id = E.id \
                 GROUP BY E.id, E.entry_id HAVING COUNT(*) = 2 ORDER BY E.id";
    assert_eq!(names(whole), stored, "an entry without its selectors");
    assert_eq!(names("SELECT changed FROM steeple_changes ORDER BY revision"), stored);
    assert_eq!(names("SELECT entry_id FROM registered_entries_events ORDER BY id"), stored);
    let orphans = "SELECT COUNT(*) FROM selectors WHERE registered_entry_id NOT IN (SELECT id FROM registered_entries)";
    assert_eq!(server.sql(&database, orphans), "0");
}
