//! Older schemas are migrated, newer ones refused as in SPIRE.

use steeple_clock::Clock;
use steeple_store::units::CreateJoinToken;
use steeple_store::{Backend, EntryFilter, ErrorClass, JoinToken, NodeFilter, Page, Unit};
use steeple_store_sql::{SchemaOrigin, SqlBackend, SqlConfig};
use steeple_types::{Entry, EntryId, SpiffeId};

use crate::schema::assert_same_schema;
use crate::{Server, on_servers};

on_servers! {
    schemas_23_and_24_are_migrated,
    migration_that_was_stopped_goes_on,
    schemas_too_old_or_too_new_are_refused,
    counter_of_revisions_that_was_not_made_is_made,
}

/// A database of an older schema, made from ours by taking away what was added since.
fn older(server: Server, version: i64) -> String {
    let database = server.create_database();
    server.open(&database).unwrap();
    if version < 25 {
        server.sql(&database, "ALTER TABLE registered_entries DROP COLUMN additional_attributes");
    }
    if version < 24 {
        server.sql(&database, "ALTER TABLE attested_node_entries DROP COLUMN agent_version");
    }
    server.sql(&database, &format!("UPDATE migrations SET version = {version}, code_version = '1.13.3'"));
    database
}

fn assert_migrated(server: Server, database: &str, from: i64) {
    let backend = server.open(database).unwrap();
    assert_eq!(backend.origin(), SchemaOrigin::Migrated { from });
    let read = &mut |tx: &mut dyn steeple_store::ReadTx| {
        tx.entries(&EntryFilter::default(), &Page::default())?;
        tx.nodes(&NodeFilter::default(), &Page::default()).map(drop)
    };
    backend.read(read).unwrap();
    assert_same_schema(server, database);
    let row = server.sql(database, "SELECT version, code_version FROM migrations");
    assert_eq!(row.replace('\t', "|"), "25|1.15.3");
}

fn schemas_23_and_24_are_migrated(server: Server) {
    for version in [23, 24] {
        let database = older(server, version);
        let held = SqlConfig { disable_migration: true, ..server.config(&database) };
        let error = SqlBackend::open(&held, Clock::system()).err().unwrap();
        assert!(error.message.starts_with("datastore-sql: auto-migration must be enabled for current DB"), "{error}");
        assert_migrated(server, &database, version);
    }
}

fn migration_that_was_stopped_goes_on(server: Server) {
    let database = older(server, 24);
    server.sql(&database, "UPDATE migrations SET version = 23");
    assert_migrated(server, &database, 23);
}

fn counter_of_revisions_that_was_not_made_is_made(server: Server) {
    let database = server.create_database();
    let write = |name: &str| {
        let token = JoinToken { token: name.to_owned(), expires_at: jiff::Timestamp::UNIX_EPOCH };
        let backend = server.open(&database).unwrap();
        let id = |path: &str| SpiffeId::parse(&format!("spiffe://example.org/{path}")).unwrap();
        let selectors = ["a:1".parse().unwrap()].into_iter().collect();
        let entry_id = EntryId::parse(name).unwrap();
        let entry = Entry::new(entry_id, id(name), id("parent"), selectors, jiff::Timestamp::UNIX_EPOCH);
        let token = CreateJoinToken { token, entry: Some(entry) };
        backend.write(&mut |tx| token.run(tx)).unwrap()
    };
    let first = write("a");
    // MySQL can't take back a table that was made just before its server was stopped.
    server.sql(&database, "DELETE FROM steeple_revision");
    assert_eq!(write("b").0, first.0 + 1);
}

fn schemas_too_old_or_too_new_are_refused(server: Server) {
    let database = older(server, 22);
    let error = server.open(&database).err().unwrap();
    assert_eq!(error.class, ErrorClass::Unfit);
    let too_old = "datastore-sql: migrating from schema version 22 requires a previous SPIRE release";
    assert!(error.message.starts_with(too_old) && error.message.contains(&database), "{error}");

    let database = older(server, 26);
    server.sql(&database, "UPDATE migrations SET code_version = '1.17.0'");
    let error = server.open(&database).err().unwrap();
    assert!(error.message.starts_with("datastore-sql: incompatible DB schema and code version"), "{error}");
    server.sql(&database, "UPDATE migrations SET code_version = '1.16.0'");
    assert_eq!(server.open(&database).unwrap().origin(), SchemaOrigin::Found);
    server.sql(&database, "UPDATE migrations SET code_version = 'x'");
    let error = server.open(&database).err().unwrap();
    assert!(error.message.contains("unable to parse code version from DB"), "{error}");
}
