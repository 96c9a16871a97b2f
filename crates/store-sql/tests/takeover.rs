//! A database that SPIRE 1.15.3 left behind is taken over as it is, and ours looks to SPIRE as its own would.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};
use steeple_clock::Clock;
use steeple_store::units::DeleteEntry;
use steeple_store::{Backend, EntryFilter, ErrorClass, NodeFilter, Page, ReadTx, StoreError, Unit};
use steeple_store_sql::{SchemaOrigin, SqlBackend, SqlConfig};
use steeple_types::{EndpointProfile, Entry, TrustDomain};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name)
}

fn copy() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite3");
    std::fs::copy(golden("takeover/server/db.sqlite3"), &path).unwrap();
    (folder, path)
}

fn open(path: &Path) -> Result<SqlBackend, StoreError> {
    SqlBackend::open(&SqlConfig::sqlite(path.to_str().unwrap()), Clock::system())
}

fn read<T>(backend: &SqlBackend, query: impl Fn(&mut dyn ReadTx) -> Result<T, StoreError>) -> T {
    let mut output = None;
    backend
        .read(&mut |tx| {
            output = Some(query(tx)?);
            Ok(())
        })
        .unwrap();
    output.unwrap()
}

fn expected(command: &str) -> Value {
    let all: Value = serde_json::from_str(&std::fs::read_to_string(golden("takeover/expected.json")).unwrap()).unwrap();
    serde_json::from_str(all[command].as_str().unwrap()).unwrap()
}

fn id(id: &steeple_types::SpiffeId) -> Value {
    json!({ "trust_domain": id.trust_domain_name(), "path": id.path() })
}

fn seconds(time: Option<Timestamp>) -> String {
    time.map_or(0, Timestamp::as_second).to_string()
}

/// The entry as `entry show -output json` prints it.
fn shown(entry: &Entry) -> Value {
    let selectors: Vec<_> = entry.selectors.iter().map(|s| json!({ "type": s.kind(), "value": s.value() })).collect();
    json!({
        "admin": entry.admin,
        "created_at": entry.created_at.as_second().to_string(),
        "dns_names": entry.dns_names,
        "downstream": entry.downstream,
        "expires_at": seconds(entry.expires_at),
        "federates_with": entry.federates_with.iter().map(TrustDomain::name).collect::<Vec<_>>(),
        "hint": entry.hint,
        "id": entry.id.as_str(),
        "jwt_svid_ttl": entry.jwt_svid_ttl,
        "parent_id": id(&entry.parent_id),
        "revision_number": entry.revision_number.to_string(),
        "selectors": selectors,
        "spiffe_id": id(&entry.spiffe_id),
        "store_svid": entry.store_svid,
        "x509_svid_ttl": entry.x509_svid_ttl,
    })
}

fn by_id(entries: impl IntoIterator<Item = Value>) -> BTreeMap<String, Value> {
    entries.into_iter().map(|entry| (entry["id"].as_str().unwrap().to_owned(), entry)).collect()
}

#[test]
fn entries_are_those_that_spire_showed() {
    let (_folder, path) = copy();
    let backend = open(&path).unwrap();
    assert_eq!(backend.origin(), SchemaOrigin::Found);
    let entries = read(&backend, |tx| tx.entries(&EntryFilter::default(), &Page::default())).items;
    let expected = by_id(expected("entry show")["entries"].as_array().unwrap().clone());
    let found = by_id(entries.iter().map(shown));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (id, mut expected) in expected {
        // Newer fields that the command adds are in their own columns and are compared below.
        expected.as_object_mut().unwrap().remove("additional_attributes");
        assert_eq!(found[&id], expected);
    }
    let with_jti = entries.iter().find(|entry| entry.spiffe_id.path() == "/w4").unwrap();
    assert!(with_jti.jwt_svid_include_jti && !with_jti.disable_x509_svid_prefetch);
}

#[test]
fn agents_bundle_relationships_and_journal_are_those_that_spire_showed() {
    let (_folder, path) = copy();
    let backend = open(&path).unwrap();

    let nodes = read(&backend, |tx| tx.nodes(&NodeFilter::default(), &Page::default())).items;
    let agent = &expected("agent list")["agents"][0];
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0].serial_number, agent["x509svid_serial_number"].as_str().unwrap());
    assert_eq!(seconds(nodes[0].expires_at), agent["x509svid_expires_at"].as_str().unwrap());
    assert_eq!(nodes[0].agent_version, agent["agent_version"].as_str().unwrap());
    assert_eq!(id(&nodes[0].id), agent["id"]);
    assert!(!nodes[0].can_reattest && !nodes[0].is_banned());

    let trust_domain = TrustDomain::from_name("rig.example").unwrap();
    let bundle = read(&backend, |tx| tx.bundle(&trust_domain)).unwrap();
    let shown = expected("bundle show");
    assert_eq!(bundle.sequence_number.to_string(), shown["sequence_number"].as_str().unwrap());
    assert_eq!(bundle.x509_authorities.len(), shown["x509_authorities"].as_array().unwrap().len());
    let keys: Vec<_> = bundle.jwt_authorities.iter().map(|key| json!([key.key_id, seconds(key.expires_at)])).collect();
    let expected_keys = shown["jwt_authorities"].as_array().unwrap().iter();
    assert_eq!(keys, expected_keys.map(|key| json!([key["key_id"], key["expires_at"]])).collect::<Vec<_>>());

    let relationships = read(&backend, |tx| tx.relationships(&Page::default())).items;
    assert_eq!(relationships.len(), 1);
    assert_eq!(relationships[0].bundle_endpoint_url, "https://127.0.0.1:1/b");
    assert_eq!(relationships[0].profile, EndpointProfile::HttpsWeb);

    let journals = read(&backend, |tx| tx.ca_journals());
    let active = expected("localauthority x509 show")["active"]["authority_id"].clone();
    assert_eq!(journals.len(), 1);
    assert_eq!(journals[0].active_x509_authority_id, active.as_str().unwrap());
}

/// Tables and indices with the statements that made them, ours excepted.
fn schema(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection
        .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'steeple%' ORDER BY rowid")
        .unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn schema_equals_that_of_spire_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.sqlite3");
    assert_eq!(open(&path).unwrap().origin(), SchemaOrigin::Created);
    let (_folder, of_spire) = copy();
    let ours = schema(&path);
    assert_eq!(ours, schema(&of_spire));

    // The same in the form of the `sqlite3` shell's `.schema`, which spells quoted tables with IF NOT EXISTS.
    let dumped: String =
        ours.iter().map(|sql| sql.replacen("CREATE TABLE \"", "CREATE TABLE IF NOT EXISTS \"", 1) + ";\n").collect();
    assert_eq!(dumped, std::fs::read_to_string(golden("schema-sqlite.sql")).unwrap());
}

#[test]
fn version_is_one_that_spire_accepts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.sqlite3");
    open(&path).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let (version, code): (i64, String) = connection
        .query_row("SELECT version, code_version FROM migrations", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((version, code.as_str()), (25, "1.15.3"));
}

#[test]
fn second_opening_finds_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.sqlite3");
    open(&path).unwrap();
    assert_eq!(open(&path).unwrap().origin(), SchemaOrigin::Found);
}

/// A database of an older schema, made from ours by taking away what was added since.
fn older(folder: &Path, version: i64) -> PathBuf {
    let path = folder.join(format!("{version}.sqlite3"));
    open(&path).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    if version < 25 {
        connection.execute("ALTER TABLE registered_entries DROP COLUMN additional_attributes", []).unwrap();
    }
    if version < 24 {
        connection.execute("ALTER TABLE attested_node_entries DROP COLUMN agent_version", []).unwrap();
    }
    connection.execute("UPDATE migrations SET version = ?", [version]).unwrap();
    path
}

#[test]
fn schemas_23_and_24_are_migrated() {
    let folder = tempfile::tempdir().unwrap();
    for version in [23, 24] {
        let path = older(folder.path(), version);
        let refused = SqlConfig { disable_migration: true, ..SqlConfig::sqlite(path.to_str().unwrap()) };
        let error = SqlBackend::open(&refused, Clock::system()).err().unwrap();
        assert!(error.message.starts_with("datastore-sql: auto-migration must be enabled for current DB"), "{error}");
        let backend = open(&path).unwrap();
        assert_eq!(backend.origin(), SchemaOrigin::Migrated { from: version });
        read(&backend, |tx| tx.entries(&EntryFilter::default(), &Page::default()));
        read(&backend, |tx| tx.nodes(&NodeFilter::default(), &Page::default()));
    }
}

#[test]
fn schemas_too_old_or_too_new_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = older(folder.path(), 22);
    let error = open(&path).err().unwrap();
    let too_old = "datastore-sql: migrating from schema version 22 requires a previous SPIRE release";
    assert!(error.message.starts_with(too_old) && error.message.contains(path.to_str().unwrap()), "{error}");

    let path = older(folder.path(), 26);
    let stamp = |code: &str| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute("UPDATE migrations SET code_version = ?", [code]).unwrap();
    };
    stamp("1.17.0");
    let error = open(&path).err().unwrap();
    assert!(error.message.starts_with("datastore-sql: incompatible DB schema and code version"), "{error}");
    // A newer server has migrated already, in the middle of an upgrade.
    stamp("1.16.0");
    assert_eq!(open(&path).unwrap().origin(), SchemaOrigin::Found);
}

/// Types of the newest row's columns, and which of them look like SPIRE's times.
fn forms(path: &Path, table: &str, columns: &[&str]) -> String {
    let form = |column: &&str| {
        let is_time = format!("COALESCE({column}, '') GLOB '????-??-?? ??:??:??*+00:00'");
        format!("'{column} ' || typeof({column}) || ' ' || ({is_time})")
    };
    let columns: Vec<_> = columns.iter().map(form).collect();
    let statement = format!("SELECT {} FROM {table} ORDER BY id DESC LIMIT 1", columns.join(" || ', ' || "));
    rusqlite::Connection::open(path).unwrap().query_row(&statement, [], |row| row.get(0)).unwrap()
}

/// What a server of ours writes has the types and forms that SPIRE's own rows have.
#[test]
fn rows_have_the_forms_of_spire() {
    const ENTRY: [&str; 13] = [
        "created_at",
        "updated_at",
        "entry_id",
        "spiffe_id",
        "parent_id",
        "ttl",
        "admin",
        "downstream",
        "expiry",
        "revision_number",
        "store_svid",
        "hint",
        "jwt_svid_ttl",
    ];
    const NODE: [&str; 10] = [
        "created_at",
        "updated_at",
        "spiffe_id",
        "data_type",
        "serial_number",
        "expires_at",
        "new_serial_number",
        "new_expires_at",
        "can_reattest",
        "agent_version",
    ];
    let (_folder, path) = copy();
    let all_forms = || (forms(&path, "registered_entries", &ENTRY), forms(&path, "attested_node_entries", &NODE));
    let backend = open(&path).unwrap();
    let (entry, node) = read(&backend, |tx| {
        let entry = tx.entries(&EntryFilter::default(), &Page::default())?.items.remove(5);
        Ok((entry, tx.nodes(&NodeFilter::default(), &Page::default())?.items.remove(0)))
    });
    let of_spire = all_forms();
    backend
        .write(&mut |tx| {
            let id = steeple_types::EntryId::parse("ours").unwrap();
            tx.insert_entry(&Entry { id, created_at: tx.now(), ..entry.clone() })?;
            tx.remove_node(&node.id)?;
            tx.put_node(&node)
        })
        .unwrap();
    assert_eq!(all_forms(), of_spire);
}

/// What Go's server lets in, or let in once, must not keep the rest of a database from being used.
#[test]
fn records_that_make_no_sense_are_passed_over_and_can_be_deleted() {
    let (_folder, path) = copy();
    let all = |backend: &SqlBackend| read(backend, |tx| tx.entries(&EntryFilter::default(), &Page::default())).items;
    let known = all(&open(&path).unwrap());
    let (odd, rest) = known.split_first().unwrap();
    let long = format!("spiffe://example.org/{}", "b".repeat(2100));
    let id = odd.id.as_str();
    for (statement, is_passed_over) in [
        (format!("UPDATE registered_entries SET spiffe_id = 'spiffe://example.org/a@b' WHERE entry_id = '{id}'"), true),
        (format!("UPDATE registered_entries SET spiffe_id = '{long}' WHERE entry_id = '{id}'"), true),
        (format!("UPDATE registered_entries SET parent_id = 'spiffe://example.org/x/' WHERE entry_id = '{id}'"), true),
        (format!("UPDATE registered_entries SET ttl = -5 WHERE entry_id = '{id}'"), true),
        // Without its selector the entry would be for everybody.
        (
            format!(
                "UPDATE selectors SET value = '' WHERE registered_entry_id = \
                 (SELECT id FROM registered_entries WHERE entry_id = '{id}')"
            ),
            true,
        ),
        (
            "INSERT INTO node_resolver_map_entries (spiffe_id, type, value) \
             SELECT spiffe_id, 'a:b', 'c' FROM attested_node_entries"
                .to_owned(),
            false,
        ),
    ] {
        let (_folder, path) = copy();
        assert_ne!(rusqlite::Connection::open(&path).unwrap().execute(&statement, []).unwrap(), 0, "{statement}");
        let backend = open(&path).unwrap();
        assert_eq!(all(&backend), if is_passed_over { rest } else { &known }, "{statement}");
        assert_eq!(read(&backend, |tx| tx.nodes(&NodeFilter::default(), &Page::default())).items.len(), 1);
        if !is_passed_over {
            continue;
        }
        // A page is not the last one because nothing on it could be read.
        let first = Page { size: 1, token: String::new() };
        let page = read(&backend, |tx| tx.entries(&EntryFilter::default(), &first));
        assert!(page.items.is_empty() && !page.next_token.is_empty(), "{statement}");
        let error = backend.read(&mut |tx| tx.entry(&odd.id).map(drop)).unwrap_err();
        assert_eq!(error.class, ErrorClass::Unreadable, "{error}");
        let delete = DeleteEntry { id: odd.id.clone() };
        backend.write(&mut |tx| delete.run(tx)).unwrap();
        assert_eq!(read(&backend, |tx| tx.entry(&odd.id)), None, "{statement}");
    }
}
