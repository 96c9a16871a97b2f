//! Files that can't be opened or written give errors that name the file and the way out.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;

use steeple_clock::Clock;
use steeple_store::{Backend, EntryFilter, ErrorClass, Match, Page, StoreError};
use steeple_store_sql::{SqlBackend, SqlConfig};
use steeple_types::Selector;

fn open(connection_string: &str) -> Result<SqlBackend, StoreError> {
    SqlBackend::open(&SqlConfig::sqlite(connection_string), Clock::system())
}

fn assert_names(error: &StoreError, path: &Path, way_out: &str) {
    assert!(error.message.contains(path.to_str().unwrap()), "{error}");
    assert!(error.message.contains(way_out), "{error}");
}

#[test]
fn missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none/db.sqlite3");
    let error = open(path.to_str().unwrap()).err().unwrap();
    assert_eq!(error.class, ErrorClass::Unavailable);
    assert_names(&error, &path, "its folder must exist");
}

#[test]
fn file_that_is_no_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite3");
    std::fs::write(&path, "these bytes are no database, whatever the name of the file may say".repeat(20)).unwrap();
    assert_names(&open(path.to_str().unwrap()).err().unwrap(), &path, "no SQLite database");
}

#[test]
fn read_only_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite3");
    drop(open(path.to_str().unwrap()).unwrap());
    let error = open(&format!("{}?mode=ro", path.display())).err().unwrap();
    assert_eq!(error.class, ErrorClass::Unavailable);
    assert!(!error.transient);
    assert_names(&error, &path, "is read-only");
}

#[test]
fn statement_of_a_large_filter_is_not_part_of_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open(folder.path().join("db.sqlite3").to_str().unwrap()).unwrap();
    let selectors = (0..40_000).map(|number| Selector::new("unix", format!("uid:{number}")).unwrap()).collect();
    let filter = EntryFilter { selectors: Some((selectors, Match::Any)), ..EntryFilter::default() };
    let error = backend.read(&mut |tx| tx.entries(&filter, &Page::default()).map(drop)).unwrap_err();
    assert_eq!(error.message, "datastore-sql: too many SQL variables");
}
