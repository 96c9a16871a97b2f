//! One life of a server and two agents: joining, issuing, a changed entry, eviction, a ban, an orderly end.

use anyhow::{Result, ensure};

use crate::dev::free_port;
use crate::pair::{Pair, Program};
use crate::rig::{TRUST_DOMAIN, uid};

/// A pair that is led through its life.
pub struct Life {
    pair: Pair,
}

impl Life {
    /// Leads one life; yields what the server and what the agents wrote into their logs.
    ///
    /// # Errors
    /// With the log of whoever did not do what was asked.
    pub fn lead() -> Result<(String, String)> {
        let mut pair = Pair::new()?;
        "audit_log_enabled = true\n  agent_ttl = \"3m\"\n  ca_ttl = \"5m\"".clone_into(&mut pair.server_lines);
        pair.server_blocks = listeners()?;
        pair.agent_blocks = listeners()?;
        pair.agent_lines = format!("admin_socket_path = \"{}\"", pair.path("admin/admin.sock").display());
        let life = Self { pair };
        let mut server = life.pair.start_server()?;
        let evicted = life.evicted()?;
        let banned = life.banned()?;
        server.terminate()?;
        let ended = server.end()?;
        ensure!(ended.code() == Some(0), "{ended}\n{}", server.log());
        Ok((server.log(), format!("{evicted}{banned}")))
    }

    /// The log of an agent that issues, and is evicted.
    fn evicted(&self) -> Result<String> {
        let token = self.pair.token(&["-spiffeID", &format!("spiffe://{TRUST_DOMAIN}/host")])?;
        let mut agent = self.pair.launch_agent("one", Some(&token))?;
        agent.wait_for(|| self.pair.fetch("one").map(|_| agent_says(&self.pair, "one", "Starting Admin APIs")))?;
        let refused = self.pair.fetch("one")?;
        ensure!(refused.exit != 0, "{refused:?}");
        self.ask("entry create", &Self::entry(&["-dns", "w.rig.example"]))?;
        agent.wait_for(|| Ok(self.pair.fetch("one")?.exit == 0))?;
        let fetched = self.pair.workload("one", "api fetch jwt", &["-audience", "a"])?;
        ensure!(fetched.exit == 0, "{fetched:?}");
        agent.wait_for(|| Ok(agent_says(&self.pair, "one", "Renewing X509-SVID")))?;
        self.ask("entry update", &Self::entry(&[]))?;
        agent.wait_for(|| Ok(agent_says(&self.pair, "one", "Updating SVIDs with outdated")))?;
        self.ask("entry delete", &["-entryID", "one"].map(str::to_owned))?;
        agent.wait_for(|| Ok(agent_says(&self.pair, "one", "Entry removed")))?;
        self.ask("agent list", &[])?;
        self.ask("agent evict", &["-spiffeID".to_owned(), agent_id(&token)])?;
        agent.end()?;
        Ok(agent.log())
    }

    /// The log of an agent that is banned.
    fn banned(&self) -> Result<String> {
        let token = self.pair.token(&[])?;
        let mut agent: Program = self.pair.launch_agent("two", Some(&token))?;
        agent.wait_for(|| Ok(agent_says(&self.pair, "two", "Starting Admin APIs")))?;
        self.ask("agent ban", &["-spiffeID".to_owned(), agent_id(&token)])?;
        agent.end()?;
        Ok(agent.log())
    }

    fn entry(more: &[&str]) -> Vec<String> {
        let (parent, id) = (format!("spiffe://{TRUST_DOMAIN}/host"), format!("spiffe://{TRUST_DOMAIN}/w"));
        let selector = format!("unix:uid:{}", uid());
        let flags = ["-entryID", "one", "-parentID", &parent, "-spiffeID", &id, "-selector", &selector];
        flags.iter().chain(&["-x509SVIDTTL", "20"]).chain(more).map(|flag| (*flag).to_owned()).collect()
    }

    fn ask(&self, words: &str, flags: &[String]) -> Result<()> {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let outcome = self.pair.server(words, &flags)?;
        ensure!(outcome.exit == 0, "{words} {flags:?}: {outcome:?}");
        Ok(())
    }
}

fn agent_says(pair: &Pair, name: &str, text: &str) -> bool {
    std::fs::read_to_string(pair.path(&format!("{name}.log"))).unwrap_or_default().contains(text)
}

fn agent_id(token: &str) -> String {
    format!("spiffe://{TRUST_DOMAIN}/spire/agent/join_token/{token}")
}

fn listeners() -> Result<String> {
    let (health, metrics) = (free_port()?, free_port()?);
    Ok(format!(
        "health_checks {{ listener_enabled = true bind_address = \"127.0.0.1\" bind_port = \"{health}\" }}\n\
         telemetry {{ Prometheus {{ host = \"127.0.0.1\" port = {metrics} }} }}\n"
    ))
}
