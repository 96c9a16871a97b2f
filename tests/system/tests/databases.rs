//! The server over a database on each kind of server.

use anyhow::{Context, Result, ensure};
use steeple_tests_databases::{MariaDb, Postgres, missing};
use steeple_tests_system::pair::Pair;
use steeple_tests_system::rig::TRUST_DOMAIN;

const NAMES: [&str; 4] = ["d", "b", "c", "a"];

#[test]
fn server_keeps_what_it_has_in_postgres() {
    if missing(&Postgres::PEERS).unwrap() {
        return;
    }
    let server = Postgres::start().unwrap();
    let database = server.create_database().unwrap();
    let datastore = keys("postgres", &server.connection_string(&database));
    serves(datastore, |statement| server.run_sql(&database, statement)).unwrap();
}

#[test]
fn server_keeps_what_it_has_in_mariadb() {
    if missing(&MariaDb::PEERS).unwrap() {
        return;
    }
    let server = MariaDb::start().unwrap();
    let database = server.create_database().unwrap();
    let datastore = keys("mysql", &server.connection_string(&database));
    serves(datastore, |statement| server.run_sql(&database, statement)).unwrap();
}

/// The keys of a datastore, which reads what may be behind by a connection string of its own.
fn keys(kind: &str, connection_string: &str) -> String {
    let strings = format!("connection_string = \"{connection_string}\" ro_connection_string = \"{connection_string}\"");
    format!("database_type = \"{kind}\" {strings} max_open_conns = 4 max_idle_conns = 2 conn_max_lifetime = \"1m\"")
}

/// A server begins on an empty database, takes entries and an agent, ends, and begins again with all of it.
fn serves(datastore: String, sql: impl Fn(&str) -> Result<String>) -> Result<()> {
    let mut pair = Pair::new()?;
    pair.datastore = Some(datastore);
    let mut server = pair.start_server()?;
    for name in NAMES {
        create(&pair, name)?;
    }
    let id = |name: &str| format!("spiffe://{TRUST_DOMAIN}/{name}");
    let update = ["-entryID", "b", "-parentID", &id("node"), "-spiffeID", &id("b"), "-selector", "unix:uid:7"];
    ensure!(pair.server("entry update", &update)?.exit == 0);
    ensure!(pair.server("entry delete", &["-entryID", "d"])?.exit == 0);
    let token = pair.admit("agent")?;
    let mut agent = pair.start_agent("agent", Some(&token))?;
    let (shown, listed, bundle) = (show(&pair, "entry show")?, show(&pair, "agent list")?, show(&pair, "bundle show")?);
    let log = server.log();
    ensure!(log.contains("Initializing new database") && log.contains("read_only=true"), "{log}");
    server.terminate()?;
    ensure!(server.end()?.success(), "{}", server.log());

    // The events by which SPIRE's servers follow are in the order of the writes, as are our own.
    let events = sql("SELECT entry_id FROM registered_entries_events ORDER BY id")?;
    let written: Vec<&str> = events.lines().collect();
    ensure!(written.starts_with(&["d", "b", "c", "a", "b", "d"]), "{written:?}");
    let changes = sql("SELECT changed FROM steeple_changes WHERE kind = 'entry' ORDER BY revision")?;
    ensure!(changes.lines().eq(written.iter().copied()), "{changes}");
    let counted = sql("SELECT CASE WHEN MAX(revision) = COUNT(*) THEN 'dense' ELSE 'gaps' END FROM steeple_changes")?;
    ensure!(counted.trim() == "dense", "{counted}");

    let mut server = pair.start_server()?;
    ensure!(!server.log().contains("Initializing new database"), "{}", server.log());
    ensure!(show(&pair, "entry show")? == shown && show(&pair, "bundle show")? == bundle);
    create(&pair, "after")?;
    agent.kill()?;
    let mut agent = pair.start_agent("agent", None)?;
    ensure!(show(&pair, "agent list")?.lines().next() == listed.lines().next());
    ensure!(!agent.has_ended()? && !server.has_ended()?);
    Ok(())
}

fn create(pair: &Pair, name: &str) -> Result<()> {
    let id = |name: &str| format!("spiffe://{TRUST_DOMAIN}/{name}");
    let flags = ["-entryID", name, "-parentID", &id("node"), "-spiffeID", &id(name), "-selector", "unix:uid:7"];
    let created = pair.server("entry create", &flags)?;
    ensure!(created.exit == 0, "{name}: {created:?}");
    Ok(())
}

fn show(pair: &Pair, words: &str) -> Result<String> {
    let shown = pair.server(words, &[])?;
    ensure!(shown.exit == 0, "{words}: {shown:?}");
    shown.stdout.lines().next().context("nothing is shown")?;
    Ok(shown.stdout)
}
