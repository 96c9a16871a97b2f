//! A server and an agent that go on with what SPIRE 1.15.3 has left.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use steeple_tests_system::pair::Pair;
use steeple_tests_system::rig::uid;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/takeover").join(name)
}

/// What SPIRE showed before it was stopped.
fn expected(words: &str) -> Value {
    let all: Value = serde_json::from_str(&std::fs::read_to_string(golden("expected.json")).unwrap()).unwrap();
    serde_json::from_str(all[words].as_str().unwrap()).unwrap()
}

fn shown(pair: &Pair, words: &str, flags: &[&str]) -> Value {
    let outcome = pair.server(words, &[flags, &["-output", "json"]].concat()).unwrap();
    assert_eq!(outcome.exit, 0, "{words}: {outcome:?}");
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// The folders of a server, and of an agent `one`, as SPIRE left them.
fn left_by_spire() -> Pair {
    let pair = Pair::new().unwrap();
    for file in ["db.sqlite3", "keys.json"] {
        std::fs::copy(golden("server").join(file), pair.server_data.join(file)).unwrap();
    }
    let agent = pair.agent_data("one");
    std::fs::create_dir(&agent).unwrap();
    for file in ["agent-data.json", "keys.json"] {
        std::fs::copy(golden("agent").join(file), agent.join(file)).unwrap();
    }
    pair
}

/// What SQLite tells of the tables and indexes that are not ours.
fn schema(database: &Path) -> Vec<(String, Option<String>)> {
    let database = rusqlite::Connection::open(database).unwrap();
    let text = "SELECT name, sql FROM sqlite_schema WHERE tbl_name NOT LIKE 'steeple\\_%' ESCAPE '\\' ORDER BY name";
    let mut query = database.prepare(text).unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn authorities_are_those_of_spire_and_its_prepared_ones_can_be_activated() {
    let pair = left_by_spire();
    let mut server = pair.start_server().unwrap();
    for kind in ["x509", "jwt"] {
        let words = format!("localauthority {kind} show");
        let before = shown(&pair, &words, &[]);
        assert_eq!(before, expected(&words));
        let prepared = before["prepared"]["authority_id"].as_str().unwrap();
        shown(&pair, &format!("localauthority {kind} activate"), &["-authorityID", prepared]);
    }
    let both = || ["x509", "jwt"].map(|kind| shown(&pair, &format!("localauthority {kind} show"), &[]));
    let after = both();
    server.terminate().unwrap();
    server.end().unwrap();
    let _server = pair.start_server().unwrap();
    assert_eq!(both(), after, "a restart changes nothing");
}

#[test]
fn what_spire_had_is_there_and_its_agent_goes_on_without_attesting() {
    let pair = left_by_spire();
    let mut server = pair.start_server().unwrap();
    for words in ["entry show", "agent list", "bundle show", "federation list"] {
        assert_eq!(shown(&pair, words, &[]), expected(words), "{words}");
    }
    let selector = format!("unix:uid:{}", uid());
    let ids = ["-parentID", "spiffe://rig.example/host", "-spiffeID", "spiffe://rig.example/me"];
    shown(&pair, "entry create", &[&ids[..], &["-selector", &selector]].concat());
    let mut agent = pair.start_agent("one", None).unwrap();
    let (before, after) = (&expected("agent list")["agents"][0], &shown(&pair, "agent list", &[])["agents"]);
    assert_eq!(after.as_array().unwrap().len(), 1);
    for member in ["id", "x509svid_serial_number", "x509svid_expires_at", "attestation_type", "banned"] {
        assert_eq!(after[0][member], before[member], "{member}");
    }
    for program in [&mut agent, &mut server] {
        program.terminate().unwrap();
        program.end().unwrap();
    }
    let log = |name: &str| std::fs::read_to_string(pair.path(&format!("{name}.log"))).unwrap();
    assert!(log("one").contains("SVID loaded"), "{}", log("one"));
    assert!(!log("one").contains("node attestation"), "{}", log("one"));
    assert!(!log("server").contains("AttestAgent"), "{}", log("server"));
    assert_eq!(schema(&pair.database()), schema(&golden("server/db.sqlite3")));
}
