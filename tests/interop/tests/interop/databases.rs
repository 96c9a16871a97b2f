//! A database on a server goes from Go SPIRE's server to ours and back, and nobody attests again.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use steeple_tests_databases::{MariaDb, Postgres, missing};
use steeple_tests_interop::{AgentSettings, GO, Join, MIXED, Product, Rig, Server, ServerSettings, run};

/// Go SPIRE 1.13 goes along with a newer schema when this is the version of who wrote it.
pub(crate) const FOR_GO: &str = "UPDATE migrations SET code_version = '1.14.0'";

#[test]
fn postgres_goes_from_go_to_ours_and_back() {
    run(GO, &["steeple"], |rig| on_postgres(rig, there_and_back));
}

#[test]
fn mariadb_goes_from_go_to_ours_and_back() {
    run(GO, &["steeple"], |rig| on_mariadb(rig, there_and_back));
}

#[test]
fn postgres_goes_from_ours_to_go_and_back() {
    let [_, ours_with_go] = MIXED;
    run(ours_with_go, &["spire-server"], |rig| on_postgres(rig, away_and_back));
}

#[test]
fn mariadb_goes_from_ours_to_go_and_back() {
    let [_, ours_with_go] = MIXED;
    run(ours_with_go, &["spire-server"], |rig| on_mariadb(rig, away_and_back));
}

/// What a case does with a database: the rig, the keys of the datastore, and a way to run statements.
type Case = fn(&Rig, String, &dyn Fn(&str) -> Result<String>) -> Result<()>;

fn on_postgres(rig: &Rig, case: Case) -> Result<()> {
    if missing(&Postgres::PEERS)? {
        return Ok(());
    }
    let server = Postgres::start()?;
    let database = server.create_database()?;
    let datastore = keys("postgres", &server.connection_string(&database));
    case(rig, datastore, &|statement| server.run_sql(&database, statement))
}

fn on_mariadb(rig: &Rig, case: Case) -> Result<()> {
    if missing(&MariaDb::PEERS)? {
        return Ok(());
    }
    let server = MariaDb::start()?;
    let database = server.create_database()?;
    let datastore = keys("mysql", &server.connection_string(&database));
    case(rig, datastore, &|statement| server.run_sql(&database, statement))
}

fn keys(kind: &str, connection_string: &str) -> String {
    format!("database_type = \"{kind}\" connection_string = \"{connection_string}\"")
}

fn there_and_back(rig: &Rig, datastore: String, sql: &dyn Fn(&str) -> Result<String>) -> Result<()> {
    let settings = ServerSettings { datastore: Some(datastore), ..ServerSettings::default() };
    let mut server = rig.server(&settings)?;
    let agent = rig.agent(&server, &AgentSettings::new(Join::Token(server.token("host")?)))?;
    let more = ["-dns", "w.rig.example", "-dns", "a.rig.example", "-x509SVIDTTL", "900", "-hint", "h"];
    server.entry("w", "host", "unix:uid:0", &more)?;
    agent.await_svid("w")?;
    let before = State::of(&server)?;

    server.stop()?;
    server.become_of(Product::Steeple, rig.folder())?;
    server.start()?;
    let log = server.log()?;
    ensure!(log.contains("Running migrations...") && log.contains("Done running migrations"), "{log}");
    ensure!(State::of(&server)? == before, "ours shows something else than Go's did");
    server.entry("ours", "host", "unix:uid:0", &[])?;
    agent.await_svid("ours")?;
    let before = State::of(&server)?;

    server.stop()?;
    sql(FOR_GO)?;
    server.become_of(Product::Go, rig.folder())?;
    server.start()?;
    ensure!(State::of(&server)? == before, "Go's shows something else than ours did");
    server.entry("back", "host", "unix:uid:0", &[])?;
    agent.await_svid("back")?;
    ensure!(server.agents()?.len() == 1);
    Ok(())
}

/// A database that ours made, with its keys and its journal beside it, is one that Go's goes on with, and ours again after it.
fn away_and_back(rig: &Rig, datastore: String, sql: &dyn Fn(&str) -> Result<String>) -> Result<()> {
    let settings = ServerSettings { datastore: Some(datastore), ..ServerSettings::default() };
    let mut server = rig.server(&settings)?;
    let agent = rig.agent(&server, &AgentSettings::new(Join::Token(server.token("host")?)))?;
    server.entry("w", "host", "unix:uid:0", &["-dns", "w.rig.example", "-x509SVIDTTL", "900", "-hint", "h"])?;
    agent.await_svid("w")?;
    sql(FOR_GO)?;
    for (product, name) in [(Product::Go, "theirs"), (Product::Steeple, "ours")] {
        let before = State::of(&server)?;
        server.stop()?;
        server.become_of(product, rig.folder())?;
        server.start()?;
        ensure!(State::of(&server)? == before, "{product:?}'s shows something else than the other did");
        server.entry(name, "host", "unix:uid:0", &[])?;
        agent.await_svid(name)?;
    }
    ensure!(server.agents()?.len() == 1);
    let kept = sql("SELECT version FROM migrations")?;
    ensure!(kept.trim() == "25", "{kept}");
    Ok(())
}

/// What both products show of a server, as far as both have it.
#[derive(Debug, PartialEq)]
struct State {
    entries: Vec<Value>,
    agent: Vec<Value>,
    authorities: Value,
}

impl State {
    fn of(server: &Server) -> Result<Self> {
        let shown = server.json(&["entry", "show"])?;
        let entries = shown.get("entries").and_then(Value::as_array).context("no entries")?;
        let fields =
            ["id", "spiffe_id", "parent_id", "selectors", "x509_svid_ttl", "dns_names", "hint", "revision_number"];
        let agent = server.agents()?;
        let [agent] = agent.as_slice() else { anyhow::bail!("{} agents", agent.len()) };
        let bundle: Value = serde_json::from_str(&server.ok(&["bundle", "show", "-format", "spiffe"])?)?;
        Ok(Self {
            entries: entries.iter().map(|entry| of_fields(entry, &fields)).collect(),
            agent: vec![of_fields(agent, &["id", "attestation_type", "x509svid_serial_number", "selectors", "banned"])],
            authorities: bundle.get("keys").cloned().context("a bundle without keys")?,
        })
    }
}

fn of_fields(value: &Value, fields: &[&str]) -> Value {
    fields.iter().map(|field| ((*field).to_owned(), value.get(*field).cloned().unwrap_or_default())).collect()
}
