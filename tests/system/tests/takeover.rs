//! A server that goes on with what SPIRE 1.15.3 has left.

use std::path::Path;

use serde_json::Value;
use steeple_tests_system::pair::Pair;

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/takeover").join(name)
}

fn shown(pair: &Pair, words: &str, flags: &[&str]) -> Value {
    let outcome = pair.server(words, &[flags, &["-output", "json"]].concat()).unwrap();
    assert_eq!(outcome.exit, 0, "{words}: {outcome:?}");
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn authorities_are_those_of_spire_and_its_prepared_ones_can_be_activated() {
    let pair = Pair::new().unwrap();
    for file in ["db.sqlite3", "keys.json"] {
        std::fs::copy(golden("server").join(file), pair.server_data.join(file)).unwrap();
    }
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(golden("expected.json")).unwrap()).unwrap();
    let mut server = pair.start_server().unwrap();
    for kind in ["x509", "jwt"] {
        let words = format!("localauthority {kind} show");
        let before = shown(&pair, &words, &[]);
        let of_spire: Value = serde_json::from_str(expected[&words].as_str().unwrap()).unwrap();
        assert_eq!(before, of_spire);
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
