//! The log lines of a server and an agent through one life, compared with what SPIRE 1.15.3 writes in the same.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use steeple_tests_system::life::Life;

/// A line without its volatile values: level, message, names of its fields.
type Shape = (String, String, Vec<String>);

const SERVER: &str = include_str!("../../golden/log-server.text.txt");
const AGENT: &str = include_str!("../../golden/log-agent.text.txt");
const SERVER_JSON: &str = include_str!("../../golden/log-server.json.txt");
const AGENT_JSON: &str = include_str!("../../golden/log-agent.json.txt");

/// Messages of SPIRE's server that are not looked for, and why.
const NOT_OF_SERVER: &[(&str, &str)] = &[
    ("default_jwt_svid_ttl is too high", "a matter of the configuration; its figures differ with the life"),
    ("Stopping in-memory entry cache hydrator", "the cache follows commits; there is no task that fills it"),
];

/// Messages of SPIRE's agent that are not looked for, and why.
const NOT_OF_AGENT: &[(&str, &str)] = &[("Bundle added", "the cache of SVID stores comes with them")];

/// What agents that joined with a token don't tell; agents with `x509pop` do.
const NOT_WITH_TOKENS: &[(&str, &str)] = &[
    ("Bundle loaded", "they have no bundle before they join"),
    ("Reattesting node", "a token attests only once"),
    ("Successfully reattested node", "the same"),
    ("Could not reattest agent", "the same"),
    ("Failed to attest: agent is banned", "the same"),
    (
        "Agent attestation request completed",
        "`x509pop` has it under the same fields; times and names have a test below",
    ),
];

/// Messages that are in no record of SPIRE's, and why we write them.
const OURS: &[(&str, &str)] = &[
    ("Audit event", "the intent is on record before the effect"),
    ("Connection ended", "a connection that broke off; SPIRE's library keeps it to itself"),
    ("Connection was refused", "a failed handshake; the same"),
    ("agent_ttl is too high", "a warning of SPIRE's about the configuration of this life"),
    ("default_x509_svid_ttl is too high", "the same"),
    ("default_jwt_svid_ttl is too high", "the same"),
    ("Experimental features have been enabled", "the same"),
    ("Agent stopped gracefully", "SPIRE's; its agent of the record was banned, not stopped"),
    ("SVID loaded", "SPIRE's; its agent of the record was never started again"),
    ("SVID sync failed", "SPIRE's; the record's agent learned of its ban by another call"),
];

fn shape(line: &str) -> Option<Shape> {
    let field = Regex::new(r#"(\w+)=("(?:[^"\\]|\\.)*"|\S*)"#).ok()?;
    let mut fields: BTreeMap<String, String> =
        field.captures_iter(line).map(|found| (found[1].to_owned(), found[2].trim_matches('"').to_owned())).collect();
    fields.remove("time");
    // Ours: by what `steeple explain` knows a refusal.
    fields.remove("reference");
    let (level, message) = (fields.remove("level")?, masked(&fields.remove("msg")?)?);
    let method = (message == "API accessed").then(|| fields.get("method").cloned().unwrap_or_default());
    let message = method.map_or(message, |method| format!("API accessed: {method}"));
    Some((level, message, fields.into_keys().collect()))
}

/// A message without what differs from life to life.
fn masked(message: &str) -> Option<String> {
    let took = Regex::new(r"^Success after \S+ attempts=\d+$").ok()?;
    Some(took.replace(message, "Success after <dur> attempts=1").into_owned())
}

/// What a comparison leaves out: the messages that `except` names, and SPIRE's calls that ours don't
/// make: health checks through the server's own socket, and the bundle fetched by agents that have no SVID yet.
fn is_left_out(shape: &Shape, except: &[&[(&str, &str)]]) -> bool {
    let is_probe = shape.1 == "API accessed: GetBundle" && !shape.2.iter().any(|field| field.starts_with("caller_id"));
    is_probe || except.iter().any(|list| list.iter().any(|(message, _)| shape.1.starts_with(message)))
}

/// The lines of `wanted` that are not among `there`, and what is there under the same message.
fn missing(wanted: &BTreeSet<Shape>, there: &BTreeSet<Shape>, except: &[&[(&str, &str)]]) -> Vec<String> {
    let absent = wanted.difference(there).filter(|shape| !is_left_out(shape, except));
    absent
        .map(|shape| {
            let alike: Vec<&Shape> = there.iter().filter(|other| other.1 == shape.1).collect();
            format!("{shape:?}\n   there is: {alike:?}")
        })
        .collect()
}

fn shapes(text: &str, shape: fn(&str) -> Option<Shape>) -> BTreeSet<Shape> {
    text.lines().filter_map(shape).collect()
}

#[test]
fn one_life_is_told_in_the_lines_of_spire() {
    let (server, agents) = Life::lead().unwrap();
    let is_refusal =
        |found: &Shape| found.1 == "API accessed: AttestAgent" && found.2.iter().any(|field| field == "status_code");
    let mut wanted = shapes(SERVER, shape);
    wanted.retain(|found| !is_refusal(found));
    let of_server = missing(&wanted, &shapes(&server, shape), &[NOT_OF_SERVER, NOT_WITH_TOKENS]);
    let of_agent = missing(&shapes(AGENT, shape), &shapes(&agents, shape), &[NOT_OF_AGENT, NOT_WITH_TOKENS]);
    let lacks = [of_server, of_agent].concat();
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

/// A line in JSON: fields with the kinds of their values.
fn shape_of_json(line: &str) -> Option<Shape> {
    let mut fields: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).ok()?;
    fields.remove("time")?;
    fields.remove("reference");
    let (level, message) = (fields.remove("level")?, fields.remove("msg")?);
    let method = fields.get("method").and_then(serde_json::Value::as_str).unwrap_or_default();
    let message = match message.as_str()? {
        "API accessed" => format!("API accessed: {method}"),
        other => masked(other)?,
    };
    let kind = |value: &serde_json::Value| match value {
        serde_json::Value::String(_) => "text",
        serde_json::Value::Number(_) => "number",
        serde_json::Value::Bool(_) => "truth",
        serde_json::Value::Array(_) => "list",
        _ => "other",
    };
    let fields = fields.iter().map(|(name, value)| format!("{name} ({})", kind(value))).collect();
    Some((level.as_str()?.to_owned(), message, fields))
}

/// A call's line without what a failure adds to it: which calls fail while an authority rotates or a ban is on its way is
/// up to the moment.
fn as_if_it_went_well(shape: &Shape) -> Shape {
    let (level, message, mut fields) = shape.clone();
    if message.starts_with("API accessed: ") {
        fields.retain(|field| field != "status_code" && field != "status_message");
    }
    (level, message, fields)
}

#[test]
fn one_life_of_agents_that_attest_again_is_told_in_the_json_of_spire() {
    let (server, agents) = Life::lead_again().unwrap();
    for (golden, in_text, said, except) in
        [(SERVER_JSON, SERVER, &server, NOT_OF_SERVER), (AGENT_JSON, AGENT, &agents, NOT_OF_AGENT)]
    {
        let (wanted, ours) = (shapes(golden, shape_of_json), shapes(said, shape_of_json));
        let lacks = missing(&wanted, &ours, &[except]);
        assert!(lacks.is_empty(), "{}", lacks.join("\n"));
        // The life recorded in text went on longer: what it alone has is compared by the names of fields.
        let plain = |shape: &Shape| {
            let names = shape.2.iter().map(|field| field.split(' ').next().unwrap_or_default().to_owned());
            (shape.0.clone(), shape.1.clone(), names.collect())
        };
        let known: BTreeSet<Shape> = shapes(in_text, shape).into_iter().chain(wanted.iter().map(plain)).collect();
        let told: BTreeSet<Shape> = ours.iter().map(plain).collect();
        let mut unexpected = told.clone();
        unexpected.retain(|shape| !known.contains(&as_if_it_went_well(shape)));
        let more = missing(&unexpected, &known, &[OURS]);
        assert!(more.is_empty(), "not of SPIRE: {}", more.join("\n"));
        let lacks = missing(&known, &told, &[except]);
        assert!(lacks.is_empty(), "{}", lacks.join("\n"));
    }
    let last = |text: &str| text.lines().last().and_then(shape_of_json).map(|shape| shape.1);
    assert_eq!(last(&server).as_deref(), Some("Server stopped gracefully"));
}
