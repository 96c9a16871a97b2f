//! Disks that are full or read-only: errors say so, what holds goes on being served, and space brings the rest back.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use steeple_tests_system::golden::Outcome;
use steeple_tests_system::mounts::{fill, set_read_only, small_disk, with_own_mounts};
use steeple_tests_system::pair::Pair;
use steeple_tests_system::rig::TRUST_DOMAIN;

const AGENT: &str = "agent";

#[test]
fn server_on_a_full_disk_refuses_writes_and_serves_on() {
    with_own_mounts("server_on_a_full_disk_refuses_writes_and_serves_on", || {
        let pair = Pair::new()?;
        small_disk(&pair.server_data, "1m")?;
        let mut server = pair.start_server()?;
        let token = pair.admit(AGENT)?;
        let _agent = pair.start_agent(AGENT, Some(&token))?;
        let filler = fill(&pair.server_data)?;
        let (accepted, refusal) = write_until_refused(&pair)?;
        let path = pair.database().display().to_string();
        ensure!(refusal.stderr.contains("no space is left for the database"), "{refusal:?}");
        ensure!(refusal.stderr.contains(&path) && refusal.stderr.contains("free space"), "{refusal:?}");
        for (words, flags) in [
            ("healthcheck", &[][..]),
            ("entry show", &[]),
            ("bundle show", &[]),
            ("agent list", &[]),
            ("entry count", &[]),
        ] {
            let read = pair.server(words, flags)?;
            ensure!(read.exit == 0, "{words} on a full disk: {read:?}");
        }
        ensure!(pair.fetch(AGENT)?.exit == 0, "the workload is served on");
        fs::remove_file(filler)?;
        let again = create(&pair, "again")?;
        ensure!(again.exit == 0, "with space again: {again:?}");
        ensure!(!server.has_ended()?, "{}", server.log());
        let shown = pair.server("entry show", &[])?.stdout;
        for name in accepted.iter().map(String::as_str).chain(["again"]) {
            ensure!(shown.contains(&format!("/{name}\n")), "{name} was acknowledged and is lost:\n{shown}");
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn server_on_a_read_only_disk_says_so() {
    with_own_mounts("server_on_a_read_only_disk_says_so", || {
        let pair = Pair::new()?;
        small_disk(&pair.server_data, "8m")?;
        let mut server = pair.start_server()?;
        server.terminate()?;
        ensure!(server.end()?.success(), "{}", server.log());
        set_read_only(&pair.server_data, true)?;
        let mut server = pair.launch_server()?;
        ensure!(!server.end()?.success());
        let (log, path) = (server.log(), pair.database().display().to_string());
        ensure!(log.contains(&path) && log.contains("must be able to write there"), "{log}");
        set_read_only(&pair.server_data, false)?;
        pair.start_server()?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn server_whose_keys_cannot_be_written_says_so() {
    with_own_mounts("server_whose_keys_cannot_be_written_says_so", || {
        let mut pair = Pair::new()?;
        let keys = pair.path("keys");
        fs::create_dir(&keys)?;
        small_disk(&keys, "1m")?;
        pair.server_keys = keys.join("keys.json");
        set_read_only(&keys, true)?;
        let mut server = pair.launch_server()?;
        ensure!(!server.end()?.success());
        let (log, path) = (server.log(), pair.server_keys.display().to_string());
        ensure!(log.contains(&format!("unable to write {path}")) && log.contains("Read-only"), "{log}");
        set_read_only(&keys, false)?;
        pair.start_server()?;
        Ok(())
    })
    .unwrap();
}

/// The token is not used up by an attestation whose result could not have been kept.
#[test]
fn agent_on_a_full_disk_keeps_its_token_until_there_is_space() {
    with_own_mounts("agent_on_a_full_disk_keeps_its_token_until_there_is_space", || {
        let pair = Pair::new()?;
        let data = pair.agent_data(AGENT);
        fs::create_dir(&data)?;
        small_disk(&data, "64k")?;
        let _server = pair.start_server()?;
        let token = pair.admit(AGENT)?;
        let filler = fill(&data)?;
        let mut agent = pair.launch_agent(AGENT, Some(&token))?;
        let log = agent.log_path();
        agent.wait_for(|| Ok(fs::read_to_string(&log)?.contains("No space left")))?;
        ensure!(agent.log().contains(&data.display().to_string()), "{}", agent.log());
        fs::remove_file(filler)?;
        agent.kill()?;
        pair.start_agent(AGENT, Some(&token))?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn agent_that_cannot_keep_a_renewed_svid_keeps_its_own_and_says_so() {
    with_own_mounts("agent_that_cannot_keep_a_renewed_svid_keeps_its_own_and_says_so", || {
        let mut pair = Pair::new()?;
        "agent_ttl = \"1m\"".clone_into(&mut pair.server_lines);
        let data = pair.agent_data(AGENT);
        fs::create_dir(&data)?;
        small_disk(&data, "64k")?;
        let _server = pair.start_server()?;
        let token = pair.admit(AGENT)?;
        let mut agent = pair.start_agent(AGENT, Some(&token))?;
        let filler = fill(&data)?;
        let log = agent.log_path();
        agent.wait_for(|| Ok(fs::read_to_string(&log)?.contains("Could not rotate agent SVID")))?;
        ensure!(agent.log().contains("No space left"), "{}", agent.log());
        ensure!(agent.log().contains(&data.display().to_string()), "{}", agent.log());
        ensure!(pair.fetch(AGENT)?.exit == 0, "the workload is served on");
        fs::remove_file(filler)?;
        agent.wait_for(|| Ok(fs::read_to_string(&log)?.contains("Successfully rotated agent SVID")))?;
        agent.kill()?;
        pair.start_agent(AGENT, None).context("what was kept is of use")?;
        Ok(())
    })
    .unwrap();
}

fn create(pair: &Pair, name: &str) -> Result<Outcome> {
    let parent = format!("spiffe://{TRUST_DOMAIN}/node/nobody");
    let id = format!("spiffe://{TRUST_DOMAIN}/{name}");
    pair.server("entry create", &["-parentID", &parent, "-spiffeID", &id, "-selector", "unix:uid:1"])
}

/// Creates entries until one is refused: pages that the database has already may take some more.
fn write_until_refused(pair: &Pair) -> Result<(Vec<String>, Outcome)> {
    let mut accepted = Vec::new();
    for number in 0..300 {
        let name = format!("e{number}");
        let outcome = create(pair, &name)?;
        if outcome.exit != 0 {
            return Ok((accepted, outcome));
        }
        accepted.push(name);
    }
    bail!("300 entries were accepted on a full disk")
}
