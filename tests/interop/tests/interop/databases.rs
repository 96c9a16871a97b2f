//! A database on a server goes from Go SPIRE's server to ours and back, and nobody attests again.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use steeple_tests_databases::{MariaDb, Postgres, missing};
use steeple_tests_interop::{AgentSettings, GO, Join, Product, Rig, Server, ServerSettings, run};

#[test]
fn postgres_goes_from_go_to_ours_and_back() {
    run(GO, &["steeple"], |rig| {
        if missing(&Postgres::PEERS)? {
            return Ok(());
        }
        let server = Postgres::start()?;
        let database = server.create_database()?;
        let datastore = keys("postgres", &server.connection_string(&database));
        there_and_back(rig, datastore, &|statement| server.run_sql(&database, statement))
    });
}

#[test]
fn mariadb_goes_from_go_to_ours_and_back() {
    run(GO, &["steeple"], |rig| {
        if missing(&MariaDb::PEERS)? {
            return Ok(());
        }
        let server = MariaDb::start()?;
        let database = server.create_database()?;
        let datastore = keys("mysql", &server.connection_string(&database));
        there_and_back(rig, datastore, &|statement| server.run_sql(&database, statement))
    });
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
    // As far as Go SPIRE 1.13 goes along with a newer schema.
    sql("UPDATE migrations SET code_version = '1.14.0'")?;
    server.become_of(Product::Go, rig.folder())?;
    server.start()?;
    ensure!(State::of(&server)? == before, "Go's shows something else than ours did");
    server.entry("back", "host", "unix:uid:0", &[])?;
    agent.await_svid("back")?;
    ensure!(server.agents()?.len() == 1);
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
