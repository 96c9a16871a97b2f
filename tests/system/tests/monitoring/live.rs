//! Real servers and agents under a real Prometheus, in which things break: the alerts that are meant fire, and no others.

use std::fs;

use anyhow::{Result, ensure};
use steeple_tests_databases::{GRAFANA_SDK, Postgres, missing, path};
use steeple_tests_system::dev::free_port;
use steeple_tests_system::mounts::{fill, small_disk, with_own_mounts};
use steeple_tests_system::pair::Pair;
use steeple_tests_system::rig::TRUST_DOMAIN;

use crate::prometheus::Prometheus;
use crate::static_checks::queries;

const AGENT: &str = "agent";
const PEERS: [&str; 1] = ["prometheus"];
const FAKETIME: &str = "libfaketimeMT.so.1";

fn telemetry(port: &str) -> String {
    format!("telemetry {{ Prometheus {{ host = \"127.0.0.1\" port = {port} }} }}\n")
}

#[test]
fn servers_death_is_told_and_nothing_else() {
    if missing(&PEERS).unwrap() {
        return;
    }
    server_dies().unwrap();
}

fn server_dies() -> Result<()> {
    let (mut pair, server_port, agent_port) = (Pair::new()?, free_port()?, free_port()?);
    (pair.server_blocks, pair.agent_blocks) = (telemetry(&server_port), telemetry(&agent_port));
    let mut server = pair.start_server()?;
    let token = pair.admit(AGENT)?;
    let _agent = pair.start_agent(AGENT, Some(&token))?;
    let prometheus = Prometheus::start(&[("steeple-server", &server_port), ("steeple-agent", &agent_port)])?;
    ensure!(pair.fetch(AGENT)?.exit == 0);
    server.kill()?;
    prometheus.wait_for(&["TargetDown", "ControlPlaneAbsent", "AgentLagging"])?;
    ensure!(pair.fetch(AGENT)?.exit == 0, "the agent serves on");
    let _server = pair.start_server()?;
    prometheus.wait_for_silence()
}

#[test]
fn each_query_of_each_dashboard_returns_data() {
    if missing(&["prometheus", GRAFANA_SDK]).unwrap() {
        return;
    }
    dashboards_have_data().unwrap();
}

fn dashboards_have_data() -> Result<()> {
    let (mut pair, server_port, agent_port) = (Pair::new()?, free_port()?, free_port()?);
    let sink = r#"sink "file" { type = "file" path = "copy.jsonl" }"#;
    let trail = format!("audit {{ directory = \"{}\" {sink} }}\n", pair.path("trail").display());
    (pair.server_blocks, pair.agent_blocks) = (telemetry(&server_port) + &trail, telemetry(&agent_port));
    let _server = pair.start_server()?;
    let token = pair.admit(AGENT)?;
    let _agent = pair.start_agent(AGENT, Some(&token))?;
    let prometheus = Prometheus::start(&[("steeple-server", &server_port), ("steeple-agent", &agent_port)])?;
    ensure!(pair.fetch(AGENT)?.exit == 0);
    for query in queries()? {
        prometheus.wait_for_data(&query)?;
    }
    Ok(())
}

#[test]
fn datastores_death_is_told_and_nothing_else() {
    if missing(&[&PEERS[..], &Postgres::PEERS].concat()).unwrap() {
        return;
    }
    datastore_dies().unwrap();
}

fn datastore_dies() -> Result<()> {
    let database_server = Postgres::start()?;
    let database = database_server.create_database()?;
    let (mut pair, port) = (Pair::new()?, free_port()?);
    pair.server_blocks = telemetry(&port);
    let connection = database_server.connection_string(&database);
    pair.datastore = Some(format!("database_type = \"postgres\" connection_string = \"{connection}\""));
    let _server = pair.start_server()?;
    let prometheus = Prometheus::start(&[("steeple-server", &port)])?;
    drop(database_server);
    prometheus.wait_for(&["DatastoreDown"])
}

#[test]
fn authority_that_cannot_be_rotated_is_told_long_before_its_end() {
    if missing(&PEERS).unwrap() {
        return;
    }
    authority_ends().unwrap();
}

/// The keys' folder is gone when the next authority should be prepared.
fn authority_ends() -> Result<()> {
    let (mut pair, port) = (Pair::new()?, free_port()?);
    let keys = pair.path("keys");
    fs::create_dir(&keys)?;
    pair.server_keys = keys.join("keys.json");
    pair.server_lines.push_str("ca_ttl = \"90s\" default_x509_svid_ttl = \"10s\"");
    pair.server_blocks = telemetry(&port);
    let _server = pair.start_server()?;
    fs::remove_dir_all(&keys)?;
    let prometheus = Prometheus::start(&[("steeple-server", &port)])?;
    prometheus.wait_for(&["RotationFailing", "AuthorityExpirySoon", "AuthorityExpiryCritical"])
}

#[test]
fn full_disk_of_the_audit_trail_is_told_and_nothing_else() {
    if missing(&PEERS).unwrap() {
        return;
    }
    with_own_mounts("live::full_disk_of_the_audit_trail_is_told_and_nothing_else", || {
        let (mut pair, port) = (Pair::new()?, free_port()?);
        let disk = pair.path("trail");
        fs::create_dir(&disk)?;
        small_disk(&disk, "1m")?;
        let trail = format!("audit {{ directory = \"{}\" }}\n", disk.join("audit").display());
        pair.server_blocks = telemetry(&port) + &trail;
        let _server = pair.start_server()?;
        let prometheus = Prometheus::start(&[("steeple-server", &port)])?;
        let filler = fill(&disk)?;
        // Each refusal counts for five seconds, so there must be new ones while the others are waited for.
        let mut number = 0;
        prometheus.wait_for_while(&["AuditWriteFailing", "AuditDiskLow", "AuditDiskCritical"], || {
            number += 1;
            create(&pair, &format!("entry-{number}")).map(drop)
        })?;
        fs::remove_file(filler)?;
        ensure!(create(&pair, "made")? == 0, "there is space again");
        prometheus.wait_for_silence()
    })
    .unwrap();
}

#[test]
fn sink_that_takes_no_records_is_told_and_nothing_else() {
    if missing(&PEERS).unwrap() {
        return;
    }
    with_own_mounts("live::sink_that_takes_no_records_is_told_and_nothing_else", sink_fails).unwrap();
}

/// The folder of the sink's file is not there at first.
fn sink_fails() -> Result<()> {
    let (mut pair, port) = (Pair::new()?, free_port()?);
    // How full the disk of the machine is, is not told here.
    let disk = pair.path("trail");
    fs::create_dir(&disk)?;
    small_disk(&disk, "64m")?;
    let sink = r#"sink "file" { type = "file" path = "later/copy.jsonl" }"#;
    let trail = format!("audit {{ directory = \"{}\" {sink} }}\n", disk.join("audit").display());
    pair.server_blocks = telemetry(&port) + &trail;
    let _server = pair.start_server()?;
    let prometheus = Prometheus::start_with(&[("steeple-server", &port)], &["AuditSinkDown"])?;
    prometheus.wait_for(&["AuditSinkDown"])?;
    ensure!(create(&pair, "entry")? == 0, "nobody is kept from anything");
    fs::create_dir(pair.path("later"))?;
    prometheus.wait_for_silence()?;
    ensure!(fs::read_to_string(pair.path("later/copy.jsonl"))?.contains("entry_created"));
    Ok(())
}

#[test]
fn jump_of_the_clock_is_told_and_nothing_else() {
    if missing(&[PEERS[0], FAKETIME]).unwrap() {
        return;
    }
    clock_jumps().unwrap();
}

fn clock_jumps() -> Result<()> {
    let (mut pair, port) = (Pair::new()?, free_port()?);
    let offset = pair.path("offset");
    fs::write(&offset, "+0\n")?;
    pair.server_blocks = telemetry(&port);
    pair.server_environment = vec![
        ("LD_PRELOAD", path(FAKETIME)?.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", offset.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let _server = pair.start_server()?;
    let prometheus = Prometheus::start(&[("steeple-server", &port)])?;
    fs::write(&offset, "+20\n")?;
    prometheus.wait_for(&["ClockJumped"])?;
    prometheus.wait_for_silence()
}

fn create(pair: &Pair, name: &str) -> Result<i32> {
    let id = |name: &str| format!("spiffe://{TRUST_DOMAIN}/{name}");
    let flags = ["-parentID", &id("node"), "-spiffeID", &id(name), "-selector", "unix:uid:7"];
    Ok(pair.server("entry create", &flags)?.exit)
}
