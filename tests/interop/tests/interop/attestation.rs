//! Nodes prove themselves: join_token and x509pop.

use anyhow::{Result, ensure};
use steeple_tests_interop::{AgentSettings, Join, Rig, ServerSettings, pairings, pki, poll, rig_id};

pairings!(needs ["openssl"]; join_token_attests, used_join_token_is_refused, x509pop_attests, x509pop_of_a_foreign_authority_is_refused);

fn join_token_attests(rig: &Rig) -> Result<()> {
    let server = rig.server(&ServerSettings::default())?;
    let token = server.token("host")?;
    let agent = rig.agent(&server, &AgentSettings::new(Join::Token(token.clone())))?;
    ensure!(server.only_agent()? == rig_id(&format!("spire/agent/join_token/{token}")));
    let agents = server.agents()?;
    ensure!(agents.iter().all(|a| a.get("attestation_type") == Some(&"join_token".into())), "{agents:?}");
    // The token's SPIFFE ID is an alias of the node: entries under it reach the agent.
    server.entry("w", "host", "unix:uid:0", &[])?;
    agent.await_svid("w")?;
    Ok(())
}

fn used_join_token_is_refused(rig: &Rig) -> Result<()> {
    let server = rig.server(&ServerSettings::default())?;
    let token = server.token("host")?;
    let settings = AgentSettings::new(Join::Token(token));
    let mut first = rig.agent(&server, &settings)?;
    first.stop()?;
    std::fs::remove_dir_all(rig.folder().join("agent"))?;
    let mut second = rig.prepared_agent(&server, &settings)?;
    second.spawn()?;
    ensure!(second.await_end()? != 0, "an agent with a used token ended well");
    let log = second.log()?;
    ensure!(log.contains("join token does not exist or has already been used"), "{log}");
    Ok(())
}

fn x509pop_attests(rig: &Rig) -> Result<()> {
    let node = pki::node(rig.folder(), "node")?;
    let settings = ServerSettings { x509pop_authorities: Some(node.authority), ..ServerSettings::default() };
    let server = rig.server(&settings)?;
    let join = Join::X509pop { certificate: node.certificate, key: node.key };
    let agent = rig.agent(&server, &AgentSettings::new(join))?;
    let id = server.only_agent()?;
    ensure!(id.starts_with(&rig_id("spire/agent/x509pop/")), "{id}");
    let shown = server.json(&["agent", "show", "-spiffeID", &id])?;
    let text = shown.to_string();
    ensure!(text.contains("subject:cn:node") && text.contains("ca:fingerprint:"), "{text}");
    ensure!(shown.get("can_reattest") == Some(&true.into()), "{text}");
    let parent = id.trim_start_matches(&rig_id("")).to_owned();
    server.entry("w", &parent, "unix:uid:0", &[])?;
    agent.await_svid("w")?;
    Ok(())
}

fn x509pop_of_a_foreign_authority_is_refused(rig: &Rig) -> Result<()> {
    let (ours, foreign) = (pki::node(rig.folder(), "node")?, pki::node(rig.folder(), "foreign")?);
    let settings = ServerSettings { x509pop_authorities: Some(ours.authority), ..ServerSettings::default() };
    let server = rig.server(&settings)?;
    let join = Join::X509pop { certificate: foreign.certificate, key: foreign.key };
    let mut agent = rig.prepared_agent(&server, &AgentSettings::new(join))?;
    agent.spawn()?;
    // Go's agent gives up and ends; what counts is that the server knows no agent.
    poll::until("the refusal", || Ok(server.log()?.contains("certificate verification failed").then_some(())))?;
    ensure!(server.agents()?.is_empty());
    Ok(())
}
