//! Several servers on one database: two of ours, and one of ours beside a Go one. An agent may talk to any of them.

#[path = "servers/load.rs"]
mod load;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use steeple_tests_databases::{MariaDb, Postgres, Session, missing};
use steeple_tests_interop::{
    Agent, AgentSettings, GO, Join, OURS, Proxy, Rig, Server, ServerSettings, TRUST_DOMAIN, command, peer, pki, poll,
    run,
};

use crate::databases::FOR_GO;

/// What a case does with a database: the rig, and the database.
type Case = fn(&Rig, &Database<'_>) -> Result<()>;

/// A database on either kind of server.
struct Database<'a> {
    datastore: String,
    sql: &'a dyn Fn(&str) -> Result<String>,
    session: &'a dyn Fn() -> Result<Session>,
}

impl Database<'_> {
    fn settings(&self) -> ServerSettings {
        ServerSettings { datastore: Some(self.datastore.clone()), ..ServerSettings::default() }
    }
}

fn on_postgres(rig: &Rig, case: Case) -> Result<()> {
    if missing(&Postgres::PEERS)? {
        return Ok(());
    }
    let server = Postgres::start()?;
    let name = server.create_database()?;
    let datastore = format!("database_type = \"postgres\" connection_string = \"{}\"", server.connection_string(&name));
    let (sql, session) = (|statement: &str| server.run_sql(&name, statement), || server.session(&name));
    case(rig, &Database { datastore, sql: &sql, session: &session })
}

fn on_mariadb(rig: &Rig, case: Case) -> Result<()> {
    if missing(&MariaDb::PEERS)? {
        return Ok(());
    }
    let server = MariaDb::start()?;
    let name = server.create_database()?;
    let datastore = format!("database_type = \"mysql\" connection_string = \"{}\"", server.connection_string(&name));
    let (sql, session) = (|statement: &str| server.run_sql(&name, statement), || server.session(&name));
    case(rig, &Database { datastore, sql: &sql, session: &session })
}

/// Makes a test of each case for each kind of server.
macro_rules! on_databases {
    ($pair:expr, $peers:expr; $($case:ident),+ $(,)?) => {
        $(mod $case {
            use super::*;

            #[test]
            fn postgres() {
                run($pair, &$peers, |rig| on_postgres(rig, super::$case));
            }

            #[test]
            fn mariadb() {
                run($pair, &$peers, |rig| on_mariadb(rig, super::$case));
            }
        })+
    };
}
use on_databases;

on_databases! { OURS, ["openssl"]; two_that_start_at_once_share_a_bundle, agent_goes_from_one_to_the_other,
ban_and_eviction_count_on_the_other }
on_databases! { OURS, ["openssl", "spire-server", "spire-agent"]; ours_and_go_follow_each_other }

/// Two servers on one database, started at the same moment, and how a node proves itself to them without a token.
struct Two {
    servers: [Server; 2],
    /// Where the second server and its agents are.
    neighbour: Rig,
    join: Join,
}

fn two(rig: &Rig, database: &Database<'_>) -> Result<Two> {
    let neighbour = rig.neighbour(TRUST_DOMAIN, OURS)?;
    let node = pki::node(rig.folder(), "node")?;
    let settings = ServerSettings { x509pop_authorities: Some(node.authority), ..database.settings() };
    let mut servers = [rig.prepared_server(&settings)?, neighbour.prepared_server(&settings)?];
    std::thread::scope(|scope| {
        let starts = servers.each_mut().map(|server| scope.spawn(|| server.start()));
        starts.into_iter().try_for_each(|start| start.join().map_err(|_| anyhow::anyhow!("panic"))?)
    })?;
    Ok(Two { servers, neighbour, join: Join::X509pop { certificate: node.certificate, key: node.key } })
}

/// The authorities of a server's bundle by their use, in order.
fn authorities(server: &Server) -> Result<[Vec<String>; 2]> {
    let bundle: Value = serde_json::from_str(&server.ok(&["bundle", "show", "-format", "spiffe"])?)?;
    let keys = bundle.get("keys").and_then(Value::as_array).context("no keys")?;
    let of_use = |wanted: &str| {
        let found = keys.iter().filter(|key| key.get("use") == Some(&wanted.into()));
        let mut found: Vec<String> = found.map(ToString::to_string).collect();
        found.sort();
        found
    };
    Ok([of_use("x509-svid"), of_use("jwt-svid")])
}

/// An SVID that a server mints holds before OpenSSL by the bundle that another one shows.
fn assert_mints_for(server: &Server, other: &Server, folder: &Path) -> Result<()> {
    let folder = folder.join(format!("minted-{}", server.port()));
    std::fs::create_dir_all(&folder)?;
    let name = folder.display().to_string();
    server.ok(&["x509", "mint", "-spiffeID", &server.id_of("minted"), "-write", &name])?;
    let bundle = folder.join("theirs.pem");
    std::fs::write(&bundle, other.ok(&["bundle", "show"])?)?;
    let mut openssl = Command::new(peer::path("openssl")?);
    openssl.args(["verify", "-x509_strict", "-CAfile"]).arg(&bundle);
    let said = command::stdout(openssl.arg("-untrusted").arg(folder.join("svid.pem")).arg(folder.join("svid.pem")))?;
    ensure!(said.trim_end().ends_with(": OK"), "{said}");
    Ok(())
}

/// Each has its own keys and its own journal, and the one bundle has the authorities of both, also after one began again.
fn two_that_start_at_once_share_a_bundle(rig: &Rig, database: &Database<'_>) -> Result<()> {
    let [mut first, second] = two(rig, database)?.servers;
    let [x509, jwt] = authorities(&first)?;
    ensure!((x509.len(), jwt.len()) == (2, 2), "{x509:?} {jwt:?}");
    ensure!(authorities(&second)? == [x509, jwt]);
    let journals = || (database.sql)("SELECT active_x509_authority_id FROM ca_journals ORDER BY id");
    let before = journals()?;
    ensure!(before.lines().count() == 2 && before.lines().next() != before.lines().nth(1), "{before}");
    assert_mints_for(&first, &second, rig.folder())?;
    assert_mints_for(&second, &first, rig.folder())?;
    let bundle = authorities(&second)?;
    first.kill()?;
    first.start()?;
    ensure!(journals()? == before, "the server did not find its journal again");
    ensure!(authorities(&first)? == bundle && authorities(&second)? == bundle);
    assert_mints_for(&first, &second, rig.folder())
}

/// What one writes the agent has from the other, and it goes on when its server is gone.
fn agent_goes_from_one_to_the_other(rig: &Rig, database: &Database<'_>) -> Result<()> {
    let [mut first, second] = two(rig, database)?.servers;
    let proxy = Proxy::start(first.port())?;
    // The token is of the second server, the attestation at the first.
    let settings = AgentSettings { port: Some(proxy.port()), ..AgentSettings::new(Join::Token(second.token("host")?)) };
    let agent = rig.agent(&first, &settings)?;
    second.entry("of-second", "host", "unix:uid:0", &[])?;
    agent.await_svid("of-second")?;
    let id = first.entry("of-first", "host", "unix:uid:0", &[])?;
    agent.await_svid("of-first")?;

    proxy.turn_to(second.port());
    first.kill()?;
    second.ok(&["entry", "delete", "-entryID", &id])?;
    agent.await_no_svid("of-first")?;
    second.entry("after", "host", "unix:uid:0", &[])?;
    agent.await_svid("after")?;

    // The agent stays with the second; the first has what happened while it was away.
    first.start()?;
    first.entry("of-first-again", "host", "unix:uid:0", &[])?;
    agent.await_svid("of-first-again")?;
    proxy.turn_to(first.port());
    drop(second);
    first.entry("alone", "host", "unix:uid:0", &[])?;
    agent.await_svid("alone")?;
    ensure!(first.only_agent()?.contains("/spire/agent/join_token/"));
    Ok(())
}

/// An agent that one bans or evicts the other refuses.
fn ban_and_eviction_count_on_the_other(rig: &Rig, database: &Database<'_>) -> Result<()> {
    let Two { servers: [first, second], neighbour, join } = two(rig, database)?;
    let mut evicted = rig.agent(&second, &AgentSettings::new(Join::Token(first.token("host")?)))?;
    first.ok(&["agent", "evict", "-spiffeID", &first.only_agent()?])?;
    ensure!(evicted.await_end()? != 0, "an evicted agent without a way back ended well");
    ensure!(second.agents()?.is_empty());

    let mut banned = neighbour.agent(&second, &AgentSettings::new(join))?;
    first.ok(&["agent", "ban", "-spiffeID", &first.only_agent()?])?;
    ensure!(banned.await_end()? != 0, "a banned agent ended well");
    banned.spawn()?;
    ensure!(banned.await_end()? != 0, "a banned agent ended well");
    Ok(())
}

/// A Go server and one of ours on the same database, an agent at each.
fn ours_and_go_follow_each_other(rig: &Rig, database: &Database<'_>) -> Result<()> {
    let settings = database.settings();
    let ours = rig.server(&settings)?;
    (database.sql)(FOR_GO)?;
    let neighbour = rig.neighbour(TRUST_DOMAIN, GO)?;
    let go = neighbour.server(&settings)?;
    let [x509, jwt] = authorities(&go)?;
    ensure!((x509.len(), jwt.len()) == (2, 2), "{x509:?} {jwt:?}");
    ensure!(authorities(&ours)? == [x509, jwt]);
    assert_mints_for(&ours, &go, rig.folder())?;
    assert_mints_for(&go, &ours, rig.folder())?;

    let mut at_ours = rig.agent(&ours, &AgentSettings::new(Join::Token(go.token("host")?)))?;
    let at_go = neighbour.agent(&go, &AgentSettings::new(Join::Token(ours.token("gohost")?)))?;
    let id = go.entry("of-go", "host", "unix:uid:0", &[])?;
    at_ours.await_svid("of-go")?;
    ours.entry("of-ours", "gohost", "unix:uid:0", &[])?;
    at_go.await_svid("of-ours")?;
    go.ok(&["entry", "delete", "-entryID", &id])?;
    at_ours.await_no_svid("of-go")?;

    // Each event of Go's is one change of ours, and none is missing.
    let counts = "SELECT COUNT(*) FROM registered_entries_events E LEFT JOIN steeple_changes C \
                  ON C.kind = 'entry' AND C.event = E.id WHERE C.revision IS NULL";
    poll::until("the import of all events", || Ok(((database.sql)(counts)?.trim() == "0").then_some(())))?;
    let doubled = "SELECT COUNT(*) - COUNT(DISTINCT event) FROM steeple_changes WHERE kind = 'entry'";
    ensure!((database.sql)(doubled)?.trim() == "0", "an event was imported twice");
    ensure!(!ours.log()?.contains("was not that of the datastore"));

    ban_by_go(&ours, &go, &mut at_ours)
}

/// Go's server bans the agent that talks to ours.
fn ban_by_go(ours: &Server, go: &Server, agent: &mut Agent) -> Result<()> {
    let listed = ours.agents()?;
    let ids = listed.iter().filter_map(|agent| agent.pointer("/id/path").and_then(Value::as_str));
    let children = ours.json(&["entry", "show", "-spiffeID", &ours.id_of("host")])?;
    let parent = children.pointer("/entries/0/parent_id/path").and_then(Value::as_str).context("no alias")?;
    let path = ids.into_iter().find(|path| *path == parent).context("no agent")?;
    go.ok(&["agent", "ban", "-spiffeID", &ours.id_of(path.trim_start_matches('/'))])?;
    ensure!(agent.await_end()? != 0, "a banned agent ended well");
    Ok(())
}
