//! Identities are renewed before they end, at lifetimes of seconds.

use anyhow::{Result, ensure};
use steeple_tests_interop::{AgentSettings, Join, Rig, ServerSettings, pairings, poll};

pairings!(workload_svid_is_renewed, agent_svid_is_renewed);

fn workload_svid_is_renewed(rig: &Rig) -> Result<()> {
    let server = rig.server(&ServerSettings::default())?;
    let agent = rig.agent(&server, &AgentSettings::new(Join::Token(server.token("host")?)))?;
    server.entry("w", "host", "unix:uid:0", &["-x509SVIDTTL", "10"])?;
    let first = agent.await_svid("w")?;
    for field in ["x509_svid", "x509_svid_key"] {
        poll::until(field, || {
            let svids = agent.x509_svids()?;
            ensure!(!svids.is_empty(), "an expired SVID left a gap");
            Ok(svids.iter().any(|svid| svid.get(field) != first.get(field)).then_some(()))
        })?;
    }
    Ok(())
}

fn agent_svid_is_renewed(rig: &Rig) -> Result<()> {
    let server = rig.server(&ServerSettings { lines: "  agent_ttl = \"15s\"".into(), ..ServerSettings::default() })?;
    let agent = rig.agent(&server, &AgentSettings::new(Join::Token(server.token("host")?)))?;
    let serial = || {
        let agents = server.agents()?;
        ensure!(agents.len() == 1, "{agents:?}");
        Ok(agents.first().and_then(|a| a.get("x509svid_serial_number")).cloned())
    };
    // Twice, since the first renewal could still live on the attestation's key.
    let mut seen = serial()?;
    for round in ["a first renewal", "a second renewal"] {
        seen = poll::until(round, || Ok(Some(serial()?).filter(|now| *now != seen)))?;
    }
    server.entry("w", "host", "unix:uid:0", &[])?;
    agent.await_svid("w")?;
    Ok(())
}
