//! A replica serves what may be behind. A copy of the database that stands still plays the part of one that is far behind.

use std::time::Duration;

use steeple_clock::Clock;
use steeple_store::units::{CreateEntry, CreateJoinToken};
use steeple_store::{Backend, EntryFilter, JoinToken, Unit};
use steeple_store_sql::{SqlBackend, SqlConfig};
use steeple_types::{Entry, EntryId, Revision, SpiffeId};

use crate::{Server, on_servers};

on_servers! {
    replica_is_read_unless_it_is_behind,
    replica_that_is_gone_is_done_without,
    replica_that_failed_is_tried_again_after_a_while,
    replica_is_tried_at_the_start,
}

fn create(backend: &SqlBackend, name: &str) -> Revision {
    let id = |path: &str| SpiffeId::parse(&format!("spiffe://example.org/{path}")).unwrap();
    let selectors = ["a:1".parse().unwrap()].into_iter().collect();
    let entry_id = EntryId::parse(name).unwrap();
    let entry = Entry::new(entry_id, id(name), id("parent"), selectors, jiff::Timestamp::UNIX_EPOCH);
    backend.write(&mut |tx| CreateEntry { entry: entry.clone() }.run(tx).map(drop)).unwrap()
}

fn count(backend: &SqlBackend, at_least: Option<Revision>) -> u64 {
    let mut count = 0;
    let read = &mut |tx: &mut dyn steeple_store::ReadTx| {
        count = tx.count_entries(&EntryFilter::default())?;
        Ok(())
    };
    match at_least {
        Some(revision) => backend.read_stale(revision, read),
        None => backend.read(read),
    }
    .unwrap();
    count
}

/// A database with one entry, and a copy of it.
fn pair(server: Server) -> (SqlConfig, Revision, String) {
    let primary = server.create_database();
    let first = create(&server.open(&primary).unwrap(), "first");
    server.disconnect(&primary);
    let replica = server.copy_database(&primary);
    let config = SqlConfig { ro_connection_string: server.connection_string(&replica), ..server.config(&primary) };
    (config, first, replica)
}

fn replica_is_read_unless_it_is_behind(server: Server) {
    let (config, first, _) = pair(server);
    let backend = SqlBackend::open(&config, Clock::system()).unwrap();
    let second = create(&backend, "second");
    assert!(second > first);
    assert_eq!(count(&backend, None), 2);
    assert_eq!(count(&backend, Some(first)), 1, "the replica has that");
    assert_eq!(count(&backend, Some(second)), 2, "the replica is behind that");
}

fn replica_that_is_gone_is_done_without(server: Server) {
    let (config, first, replica) = pair(server);
    let backend = SqlBackend::open(&config, Clock::system()).unwrap();
    create(&backend, "second");
    assert_eq!(count(&backend, Some(first)), 1);
    server.disconnect(&replica);
    let admin = if server.kind() == "postgres" { "postgres" } else { "mysql" };
    server.sql(admin, &format!("DROP DATABASE {replica}"));
    assert_eq!(count(&backend, Some(first)), 2);
    // A replica that never got our tables is as good as none.
    let bare = server.create_database();
    let config = SqlConfig { ro_connection_string: server.connection_string(&bare), ..config };
    let backend = SqlBackend::open(&config, Clock::system()).unwrap();
    assert_eq!(count(&backend, Some(first)), 2);
    let token = JoinToken { token: "t".to_owned(), expires_at: jiff::Timestamp::UNIX_EPOCH };
    backend.write(&mut |tx| CreateJoinToken { token: token.clone(), entry: None }.run(tx)).unwrap();
}

fn replica_that_failed_is_tried_again_after_a_while(server: Server) {
    let (config, first, replica) = pair(server);
    let (clock, hand) = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
    let backend = SqlBackend::open(&config, clock).unwrap();
    create(&backend, "second");
    server.sql(&replica, "ALTER TABLE steeple_revision RENAME TO steeple_away");
    assert_eq!(count(&backend, Some(first)), 2);
    server.sql(&replica, "ALTER TABLE steeple_away RENAME TO steeple_revision");
    hand.advance(Duration::from_secs(29));
    assert_eq!(count(&backend, Some(first)), 2);
    hand.advance(Duration::from_secs(1));
    assert_eq!(count(&backend, Some(first)), 1);
}

fn replica_is_tried_at_the_start(server: Server) {
    let primary = server.create_database();
    let config = SqlConfig { ro_connection_string: server.connection_string("absent"), ..server.config(&primary) };
    let error = SqlBackend::open(&config, Clock::system()).err().unwrap();
    assert!(error.message.contains("there is no such database"), "{error}");
}
