//! A server that was set up again has other authorities: its agents begin anew.

use anyhow::{Result, ensure};
use steeple_tests_interop::{AgentSettings, Join, Product, Rig, ServerSettings, pairings, pki, poll};

pairings!(needs ["openssl"]; agent_follows_a_server_that_was_set_up_again);

fn agent_follows_a_server_that_was_set_up_again(rig: &Rig) -> Result<()> {
    let node = pki::node(rig.folder(), "node")?;
    let settings = ServerSettings { x509pop_authorities: Some(node.authority), ..ServerSettings::default() };
    let mut server = rig.server(&settings)?;
    let mut settings = AgentSettings::new(Join::X509pop { certificate: node.certificate, key: node.key });
    "  rebootstrap_mode = \"always\"\n  rebootstrap_delay = \"3s\"".clone_into(&mut settings.lines);
    let mut agent = rig.agent(&server, &settings)?;
    let (id, process) = (server.only_agent()?, agent.id()?);
    let parent = id.split_once(".example/").map_or("", |(_, path)| path).to_owned();
    server.entry("before", &parent, "unix:uid:0", &[])?;
    agent.await_svid("before")?;
    server.stop()?;
    std::fs::remove_dir_all(rig.folder().join("server"))?;
    server.start()?;
    server.entry("after", &parent, "unix:uid:0", &[])?;
    let published = rig.folder().join("published.pem");
    std::fs::write(&published, server.ok(&["bundle", "show"])?)?;
    std::fs::rename(published, rig.folder().join("bootstrap.pem"))?;
    if rig.agent_product() == Product::Go {
        // It ends to begin anew, and relies on being started again.
        agent.await_end()?;
        agent.start()?;
    }
    agent.await_svid("after")?;
    agent.await_no_svid("before")?;
    poll::until("the agent's return", || Ok(server.only_agent().ok().filter(|again| *again == id)))?;
    if rig.agent_product() == Product::Steeple {
        let log = agent.log()?;
        for text in ["ignoring for now", "rebootstrapping"] {
            let text = format!("Trust Bundle and Server don't agree, {text}");
            ensure!(log.contains(&text), "no {text:?} in\n{log}");
        }
        ensure!(agent.id()? == process, "the agent was started again");
    }
    Ok(())
}
