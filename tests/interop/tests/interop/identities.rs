//! Entries become identities in the hands of workloads.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use steeple_tests_interop::{Agent, AgentSettings, Join, Rig, Server, ServerSettings, pairings, poll, rig_id};

pairings!(
    entries_come_change_and_go,
    x509_svid_has_chain_key_and_bundle,
    jwt_svid_is_fetched_and_validated,
    workload_without_an_entry_gets_nothing,
);

/// A server and an agent that is parent of entries under `host`.
pub(crate) fn joined(rig: &Rig) -> Result<(Server, Agent)> {
    let server = rig.server(&ServerSettings::default())?;
    let settings = AgentSettings::new(Join::Token(server.token("host")?));
    let agent = rig.agent(&server, &settings)?;
    Ok((server, agent))
}

fn entries_come_change_and_go(rig: &Rig) -> Result<()> {
    let (server, agent) = joined(rig)?;
    let id = server.entry("w", "host", "unix:uid:0", &["-hint", "one"])?;
    ensure!(agent.await_svid("w")?.get("hint") == Some(&"one".into()));
    server.ok(&[
        "entry",
        "update",
        "-entryID",
        &id,
        "-spiffeID",
        &rig_id("changed"),
        "-parentID",
        &rig_id("host"),
        "-selector",
        "unix:uid:0",
    ])?;
    agent.await_svid("changed")?;
    agent.await_no_svid("w")?;
    server.ok(&["entry", "delete", "-entryID", &id])?;
    agent.await_no_svid("changed")
}

fn x509_svid_has_chain_key_and_bundle(rig: &Rig) -> Result<()> {
    let (server, agent) = joined(rig)?;
    server.entry("w", "host", "unix:uid:0", &["-dns", "w.example"])?;
    agent.await_svid("w")?;
    let folder = rig.folder().join("svid");
    std::fs::create_dir_all(&folder)?;
    let shown = agent.cli(&["api", "fetch", "x509", "-write", &folder.display().to_string()])?;
    ensure!(shown.exit == 0 && shown.stdout.contains(&format!("SPIFFE ID:\t\t{}", rig_id("w"))), "{shown}");
    for file in ["svid.0.pem", "svid.0.key", "bundle.0.pem"] {
        ensure!(std::fs::read_to_string(folder.join(file))?.starts_with("-----BEGIN "), "{file}");
    }
    Ok(())
}

fn jwt_svid_is_fetched_and_validated(rig: &Rig) -> Result<()> {
    let (server, agent) = joined(rig)?;
    server.entry("w", "host", "unix:uid:0", &[])?;
    agent.await_svid("w")?;
    let token = jwt(&agent, "one,two")?;
    let valid = agent.cli(&["api", "validate", "jwt", "-audience", "two", "-svid", &token])?;
    ensure!(valid.exit == 0 && valid.stdout.contains("SVID is valid."), "{valid}");
    ensure!(valid.stdout.contains(&rig_id("w")), "{valid}");
    let wrong = agent.cli(&["api", "validate", "jwt", "-audience", "three", "-svid", &token])?;
    ensure!(wrong.exit == 1 && wrong.stderr.contains("audience"), "{wrong}");
    let cut = agent.cli(&[
        "api",
        "validate",
        "jwt",
        "-audience",
        "two",
        "-svid",
        token.get(..token.len() - 6).unwrap_or(""),
    ])?;
    ensure!(cut.exit == 1, "{cut}");
    Ok(())
}

/// A JWT-SVID of this very user.
pub(crate) fn jwt(agent: &Agent, audience: &str) -> Result<String> {
    poll::until_ok("a JWT-SVID", || {
        let outcome = agent.cli(&["api", "fetch", "jwt", "-audience", audience, "-output", "json"])?;
        let answer: Value = serde_json::from_str(&outcome.stdout).with_context(|| format!("{outcome}"))?;
        let token = answer.pointer("/0/svids/0/svid").and_then(Value::as_str);
        Ok(token.with_context(|| format!("{outcome}"))?.to_owned())
    })
}

fn workload_without_an_entry_gets_nothing(rig: &Rig) -> Result<()> {
    let (server, agent) = joined(rig)?;
    server.entry("other", "host", "unix:uid:60001", &[])?;
    // With an entry that was made later the agent knows the other one too.
    let mine = server.entry("w", "host", "unix:uid:0", &[])?;
    agent.await_svid("w")?;
    agent.await_no_svid("other")?;
    server.ok(&["entry", "delete", "-entryID", &mine])?;
    agent.await_no_svid("w")?;
    let x509 = agent.cli(&["api", "fetch", "x509"])?;
    ensure!(x509.exit == 1 && x509.stderr.contains("no identity issued"), "{x509}");
    let jwt = agent.cli(&["api", "fetch", "jwt", "-audience", "a"])?;
    ensure!(jwt.exit == 1 && jwt.stderr.contains("no identity issued"), "{jwt}");
    Ok(())
}
