//! Agents that are banned stay out; agents that are evicted come back if their attestor lets them.

use anyhow::{Result, ensure};
use steeple_tests_interop::{AgentSettings, Join, Rig, Server, ServerSettings, pairings, pki, poll};

pairings!(needs ["openssl"]; banned_agent_is_shut_out, evicted_x509pop_agent_attests_again, evicted_join_token_agent_stays_out);

fn x509pop(rig: &Rig) -> Result<(Server, AgentSettings)> {
    let node = pki::node(rig.folder(), "node")?;
    let server =
        rig.server(&ServerSettings { x509pop_authorities: Some(node.authority), ..ServerSettings::default() })?;
    Ok((server, AgentSettings::new(Join::X509pop { certificate: node.certificate, key: node.key })))
}

fn banned_agent_is_shut_out(rig: &Rig) -> Result<()> {
    let (server, settings) = x509pop(rig)?;
    let mut agent = rig.agent(&server, &settings)?;
    let id = server.only_agent()?;
    ensure!(server.ok(&["agent", "ban", "-spiffeID", &id])?.contains("Agent banned successfully"));
    ensure!(agent.await_end()? != 0, "a banned agent ended well");
    // It is refused at the next start too, although its certificate is good.
    agent.spawn()?;
    ensure!(agent.await_end()? != 0, "a banned agent ended well");
    let banned = server.agents()?;
    ensure!(banned.len() == 1 && banned.iter().all(|a| a.get("banned") == Some(&true.into())), "{banned:?}");
    Ok(())
}

fn evicted_x509pop_agent_attests_again(rig: &Rig) -> Result<()> {
    let (server, settings) = x509pop(rig)?;
    let agent = rig.agent(&server, &settings)?;
    let id = server.only_agent()?;
    let parent = id.split_once(".example/").map_or("", |(_, path)| path).to_owned();
    server.entry("before", &parent, "unix:uid:0", &[])?;
    agent.await_svid("before")?;
    ensure!(server.ok(&["agent", "evict", "-spiffeID", &id])?.contains("Agent evicted successfully"));
    poll::until("the agent's return", || Ok(server.only_agent().ok().filter(|again| *again == id)))?;
    server.entry("after", &parent, "unix:uid:0", &[])?;
    agent.await_svid("after")?;
    Ok(())
}

fn evicted_join_token_agent_stays_out(rig: &Rig) -> Result<()> {
    let server = rig.server(&ServerSettings::default())?;
    let mut agent = rig.agent(&server, &AgentSettings::new(Join::Token(server.token("host")?)))?;
    let id = server.only_agent()?;
    server.ok(&["agent", "evict", "-spiffeID", &id])?;
    ensure!(agent.await_end()? != 0, "an evicted agent without a way back ended well");
    ensure!(server.agents()?.is_empty());
    Ok(())
}
