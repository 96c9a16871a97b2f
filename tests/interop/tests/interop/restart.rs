//! Either side may be restarted; nothing is lost and nobody attests again.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use steeple_tests_interop::{AgentSettings, Join, Rig, ServerSettings, pairings};

use crate::identities::{joined, jwt};

pairings!(server_is_restarted, server_is_killed, agent_is_restarted, agent_is_killed);

fn server_is_restarted(rig: &Rig) -> Result<()> {
    server_returns(rig, |server| server.stop().map(drop))
}

fn server_is_killed(rig: &Rig) -> Result<()> {
    server_returns(rig, steeple_tests_interop::Server::kill)
}

fn server_returns(rig: &Rig, end: fn(&mut steeple_tests_interop::Server) -> Result<()>) -> Result<()> {
    let (mut server, agent) = joined(rig)?;
    server.entry("before", "host", "unix:uid:0", &[])?;
    agent.await_svid("before")?;
    let token = jwt(&agent, "a")?;
    let bundle = server.ok(&["bundle", "show", "-format", "spiffe"])?;
    end(&mut server)?;
    ensure!(agent.x509_svids()?.len() == 1, "the agent serves from its cache");
    server.start()?;
    ensure!(
        keys(&server.ok(&["bundle", "show", "-format", "spiffe"])?)? == keys(&bundle)?,
        "other authorities than before"
    );
    server.entry("after", "host", "unix:uid:0", &[])?;
    agent.await_svid("after")?;
    let valid = agent.cli(&["api", "validate", "jwt", "-audience", "a", "-svid", &token])?;
    ensure!(valid.exit == 0, "{valid}");
    ensure!(server.agents()?.len() == 1);
    Ok(())
}

fn keys(bundle: &str) -> Result<Value> {
    let bundle: Value = serde_json::from_str(bundle)?;
    bundle.get("keys").cloned().context("a bundle without keys")
}

fn agent_is_restarted(rig: &Rig) -> Result<()> {
    agent_returns(rig, |agent| agent.stop().map(drop))
}

fn agent_is_killed(rig: &Rig) -> Result<()> {
    agent_returns(rig, steeple_tests_interop::Agent::kill)
}

fn agent_returns(rig: &Rig, end: fn(&mut steeple_tests_interop::Agent) -> Result<()>) -> Result<()> {
    let server = rig.server(&ServerSettings::default())?;
    let mut agent = rig.agent(&server, &AgentSettings::new(Join::Token(server.token("host")?)))?;
    server.entry("w", "host", "unix:uid:0", &[])?;
    agent.await_svid("w")?;
    let before = server.only_agent()?;
    end(&mut agent)?;
    // A token works once, so only the stored identity can bring it back.
    agent.forget_token();
    agent.start()?;
    agent.await_svid("w")?;
    ensure!(server.only_agent()? == before, "the agent attested again");
    Ok(())
}
