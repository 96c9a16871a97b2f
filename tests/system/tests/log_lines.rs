//! The log lines of a server and an agent through one life, compared with what SPIRE 1.15.3 writes in the same.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use steeple_tests_system::life::Life;

/// A line without its volatile values: level, message, names of its fields.
type Shape = (String, String, Vec<String>);

const SERVER: &str = include_str!("../../golden/log-server.text.txt");
const AGENT: &str = include_str!("../../golden/log-agent.text.txt");

/// Messages of SPIRE's server that are not looked for, and why.
const NOT_OF_SERVER: &[(&str, &str)] = &[
    ("default_jwt_svid_ttl is too high", "a matter of the configuration; held by the tests of ttls"),
    ("Shutting down", "the bundle client comes with federation"),
    ("Stopping in-memory entry cache hydrator", "the cache follows commits; there is no task that fills it"),
    ("Agent attestation request completed", "the field `address` is there twice in SPIRE; held by the next test"),
    ("Failed to attest: agent is banned", "a token attests only once; held by the component tests of AttestAgent"),
];

/// Messages of SPIRE's agent that are not looked for, and why.
const NOT_OF_AGENT: &[(&str, &str)] = &[
    ("Success after <dur>", "tells of the order in which SPIRE tries several sources of its bundle; there is one here"),
    ("Setting use.", "the same"),
    ("Bundle added", "the cache of SVID stores comes with them"),
    ("Bundle updated", "needs a rotation of authorities; held by the tests of interop"),
    ("Bundle loaded", "the agent of this test has no bundle before it joins"),
    ("Reattesting node", "a token attests only once; held by interop with x509pop"),
    ("Successfully reattested node", "the same"),
    ("Could not reattest agent", "the same"),
];

fn shape(line: &str) -> Option<Shape> {
    let field = Regex::new(r#"(\w+)=("(?:[^"\\]|\\.)*"|\S*)"#).ok()?;
    let mut fields: BTreeMap<String, String> =
        field.captures_iter(line).map(|found| (found[1].to_owned(), found[2].trim_matches('"').to_owned())).collect();
    fields.remove("time");
    let (level, message) = (fields.remove("level")?, fields.remove("msg")?);
    let method = (message == "API accessed").then(|| fields.get("method").cloned().unwrap_or_default());
    let message = method.map_or(message, |method| format!("API accessed: {method}"));
    Some((level, message, fields.into_keys().collect()))
}

/// The lines of SPIRE's that are not among ours, and what we have under the same message. Left out, too: the refusal of a
/// banned agent that attests again (a token can't), and SPIRE's health checks, which are calls through its own socket.
fn missing(golden: &str, said: &str, except: &[(&str, &str)]) -> Vec<String> {
    let ours: BTreeSet<Shape> = said.lines().filter_map(shape).collect();
    let wanted: BTreeSet<Shape> = golden.lines().filter_map(shape).collect();
    let is_meant = |shape: &&Shape| {
        let is_refusal = shape.1 == "API accessed: AttestAgent" && shape.2.contains(&"status_code".to_owned());
        let is_probe = shape.1 == "API accessed: GetBundle" && shape.2.contains(&"caller_uid".to_owned());
        !is_refusal && !is_probe && !except.iter().any(|(message, _)| shape.1.starts_with(message))
    };
    let absent = wanted.iter().filter(is_meant).filter(|shape| !ours.contains(*shape));
    absent
        .map(|shape| {
            let alike: Vec<&Shape> = ours.iter().filter(|other| other.1 == shape.1).collect();
            format!("{shape:?}\n   we: {alike:?}")
        })
        .collect()
}

#[test]
fn one_life_is_told_in_the_lines_of_spire() {
    let (server, agents) = Life::lead().unwrap();
    let lacks = [missing(SERVER, &server, NOT_OF_SERVER), missing(AGENT, &agents, NOT_OF_AGENT)].concat();
    assert!(lacks.is_empty(), "{}", lacks.join("\n"));
    assert_eq!(server.matches("msg=\"Starting Server APIs\"").count(), 2);
    // What SPIRE's own suites look for.
    let of_server = ["Agent is not attested", "Agent banned", "Agent deleted", "X509 CA prepared", "JWT key activated"];
    let of_agent = [
        "Starting agent APIs",
        "Agent is banned: removing SVID and shutting down",
        "SVID is not found. Starting node attestation",
        "Node attestation was successful",
        "failed to fetch authorized entries:",
    ];
    for (log, texts) in [(&server, &of_server), (&agents, &of_agent)] {
        for text in texts {
            assert!(log.contains(text), "{text} is not in\n{log}");
        }
    }
}

#[test]
fn times_of_authorities_are_in_the_form_of_go() {
    let (server, _) = Life::lead().unwrap();
    let form = Regex::new(r#" (expiration|issued_at)="\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC""#).unwrap();
    let lines: Vec<&str> = server.lines().filter(|line| line.contains("subsystem_name=ca_manager")).collect();
    let of_slots = lines.iter().filter(|line| line.contains(" issued_at="));
    let found: Vec<usize> = of_slots.map(|line| form.find_iter(line).count()).collect();
    assert!(found.len() >= 4 && found.iter().all(|count| *count == 2), "{lines:?}");
    let completed = server.lines().find(|line| line.contains("Agent attestation request completed")).unwrap();
    assert!(completed.contains(" agent_id=") && completed.contains(" node_attestor_type=join_token"), "{completed}");
}
