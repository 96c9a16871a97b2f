//! An agent of one product goes on with what an agent of the other has left.

use anyhow::{Result, ensure};
use steeple_tests_interop::{AgentSettings, Join, Rig, ServerSettings, pairings};

pairings!(needs ["steeple", "spire-agent"]; agent_of_the_other_product_goes_on);

fn agent_of_the_other_product_goes_on(rig: &Rig) -> Result<()> {
    let server = rig.server(&ServerSettings::default())?;
    let mut agent = rig.agent(&server, &AgentSettings::new(Join::Token(server.token("host")?)))?;
    server.entry("w", "host", "unix:uid:0", &[])?;
    agent.await_svid("w")?;
    let before = server.only_agent()?;
    // A token works once, so only the stored identity can bring the agent back.
    agent.forget_token();
    for product in [rig.agent_product().other(), rig.agent_product()] {
        agent.stop()?;
        agent.become_of(product, rig.folder())?;
        agent.start()?;
        agent.await_svid("w")?;
        ensure!(server.only_agent()? == before, "{product:?}'s agent attested again");
    }
    Ok(())
}
