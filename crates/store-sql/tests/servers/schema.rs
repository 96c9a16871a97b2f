//! The schema is SPIRE's own.

use steeple_store::units::{CreateJoinToken, RecordAttestation};
use steeple_store::{Backend, JoinToken, Unit};
use steeple_store_sql::SchemaOrigin;
use steeple_types::{AttestedNode, SelectorSet, SpiffeId};

use crate::{Server, golden, on_servers};

on_servers! {
    schema_equals_that_of_spire,
    version_is_one_that_spire_accepts,
    servers_that_begin_at_once_make_one_schema,
    times_are_those_that_sql_shows,
}

fn schema_equals_that_of_spire(server: Server) {
    let database = server.create_database();
    assert_eq!(server.open(&database).unwrap().origin(), SchemaOrigin::Created);
    assert_eq!(server.open(&database).unwrap().origin(), SchemaOrigin::Found);
    assert_same_schema(server, &database);
}

/// Compares the statements that make both schemas, ours excepted.
pub(crate) fn assert_same_schema(server: Server, database: &str) {
    let (ours, spires) = match server {
        Server::Postgres(server) => (statements(&server.dump_schema(database).unwrap()), "schema-postgres.sql"),
        Server::MySql(server) => (statements(&server.dump_schema(database).unwrap()), "schema-mysql.sql"),
    };
    let spires = statements(&golden(spires));
    for (our, spire) in ours.iter().zip(&spires) {
        assert_eq!(our, spire);
    }
    assert_eq!(ours.len(), spires.len());
}

/// The statements of a dump, without settings, comments, our own tables, and counters of rows that were there.
fn statements(dump: &str) -> Vec<String> {
    let noise = ["--", "SET ", "SELECT ", "\\"];
    let lines = dump.lines().filter(|line| !line.is_empty() && !noise.iter().any(|noise| line.starts_with(noise)));
    let text = lines.collect::<Vec<_>>().join("\n");
    let statements = text.split_terminator(';').map(|statement| {
        let words = statement.trim().split(' ').filter(|word| !word.starts_with("AUTO_INCREMENT="));
        words.collect::<Vec<_>>().join(" ")
    });
    statements.filter(|statement| !statement.contains("steeple_")).collect()
}

fn version_is_one_that_spire_accepts(server: Server) {
    let database = server.create_database();
    server.open(&database).unwrap();
    let row = server.sql(&database, "SELECT version, code_version FROM migrations");
    assert_eq!(row.replace('\t', "|"), "25|1.15.3");
}

fn servers_that_begin_at_once_make_one_schema(server: Server) {
    let database = &server.create_database();
    let origins: Vec<SchemaOrigin> = std::thread::scope(|scope| {
        let begin = || scope.spawn(move || server.open(database).unwrap().origin());
        let begun = [begin(), begin(), begin()];
        begun.map(|begun| begun.join().unwrap()).to_vec()
    });
    assert_eq!(origins.iter().filter(|origin| **origin == SchemaOrigin::Created).count(), 1, "{origins:?}");
    assert_same_schema(server, database);
    assert_eq!(server.sql(database, "SELECT COUNT(*) FROM migrations"), "1");
}

fn times_are_those_that_sql_shows(server: Server) {
    let database = server.create_database();
    let backend = server.open(&database).unwrap();
    let node = AttestedNode {
        id: SpiffeId::parse("spiffe://example.org/spire/agent/a").unwrap(),
        attestation_type: "x509pop".to_owned(),
        serial_number: "1".to_owned(),
        expires_at: Some("2031-02-03T04:05:06Z".parse().unwrap()),
        new_serial_number: String::new(),
        new_expires_at: None,
        can_reattest: true,
        agent_version: String::new(),
        selectors: SelectorSet::default(),
    };
    let attestation = RecordAttestation { node, join_token: None, is_repeated: false };
    backend.write(&mut |tx| attestation.run(tx).map(drop)).unwrap();
    let token = JoinToken { token: "t".to_owned(), expires_at: "2031-02-03T04:05:06Z".parse().unwrap() };
    backend.write(&mut |tx| CreateJoinToken { token: token.clone(), entry: None }.run(tx)).unwrap();
    let (expiry, is_null, is_recent) = match server {
        Server::Postgres(_) => (
            "to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')",
            "new_expires_at IS NULL",
            "created_at BETWEEN now() - interval '1 hour' AND now() + interval '1 hour'",
        ),
        Server::MySql(_) => (
            "expires_at",
            "new_expires_at IS NULL",
            "created_at BETWEEN UTC_TIMESTAMP() - INTERVAL 1 HOUR AND UTC_TIMESTAMP() + INTERVAL 1 HOUR",
        ),
    };
    let shown = |what: &str| server.sql(&database, &format!("SELECT {what} FROM attested_node_entries"));
    assert_eq!(shown(expiry), "2031-02-03 04:05:06");
    for holds in [is_null, is_recent] {
        assert_eq!(shown(&format!("CASE WHEN {holds} THEN 'yes' ELSE 'no' END")), "yes", "{holds}");
    }
    assert_eq!(server.sql(&database, "SELECT expiry FROM join_tokens"), "1927857906");
}
