//! Lives of a server and its agents: joining, issuing, authorities rotated by request, a changed entry, eviction, a ban, an
//! orderly end.

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use steeple_crypto::pem;

use crate::authority::Authority;
use crate::dev::free_port;
use crate::forced;
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

    /// Leads the life of agents that can attest again; they and their server write JSON.
    ///
    /// # Errors
    /// With the log of whoever did not do what was asked.
    pub fn lead_again() -> Result<(String, String)> {
        let mut pair = Pair::new()?;
        let lines = "log_format = \"JSON\"\n audit_log_enabled = true\n agent_ttl = \"40s\"\n ca_ttl = \"5m\"";
        lines.clone_into(&mut pair.server_lines);
        pair.server_blocks = listeners()?;
        pair.agent_blocks = listeners()?;
        let node = Node::new(&pair)?;
        pair.server_plugins = node.server_plugin;
        pair.node_attestor = node.agent_plugin;
        let mut server = pair.start_server()?;
        let bundle = pair.server("bundle show", &[])?.stdout;
        let path = pair.path("bundle.pem");
        std::fs::write(&path, bundle)?;
        pair.agent_trust = format!("trust_bundle_path = \"{}\"", path.display());
        let admin = pair.path("admin/admin.sock");
        pair.agent_lines = format!("log_format = \"JSON\"\n admin_socket_path = \"{}\"", admin.display());
        let mut life = Self { pair };
        let evicted = life.evicted_for_now()?;
        let banned = life.banned_while_it_attests()?;
        server.terminate()?;
        let ended = server.end()?;
        ensure!(ended.code() == Some(0), "{ended}\n{}", server.log());
        Ok((server.log(), format!("{evicted}{banned}")))
    }

    /// The log of an agent that attests again when it is due and when it was evicted, learns of a new authority, and ends.
    fn evicted_for_now(&self) -> Result<String> {
        let mut agent = self.pair.launch_agent("one", None)?;
        let says = |text: &str| agent_says(&self.pair, "one", text);
        agent.wait_for(|| Ok(says("Starting Admin APIs")))?;
        let id = self.only_agent()?;
        let refused = self.pair.fetch("one")?;
        ensure!(refused.exit != 0, "{refused:?}");
        self.ask("entry create", &Self::entry(&id, &["-dns", "w.rig.example"]))?;
        agent.wait_for(|| Ok(self.pair.fetch("one")?.exit == 0))?;
        let fetched = self.pair.workload("one", "api fetch jwt", &["-audience", "a"])?;
        ensure!(fetched.exit == 0, "{fetched:?}");
        agent.wait_for(|| Ok(says("Updating expiring SVIDs in cache")))?;
        forced::rotate(&self.pair, &mut agent, "one")?;
        self.ask("entry update", &Self::entry(&id, &[]))?;
        agent.wait_for(|| Ok(says("Updating SVIDs with outdated")))?;
        self.ask("entry delete", &["-entryID", "one"].map(str::to_owned))?;
        agent.wait_for(|| Ok(says("Entry removed")))?;
        agent.wait_for(|| Ok(says("Successfully reattested node") && says("Bundle updated")))?;
        // An agent that happens to attest again before anything else never learns that it was evicted.
        agent.wait_for(|| {
            if self.only_agent().is_ok() {
                self.ask("agent evict", &["-spiffeID".to_owned(), id.clone()])?;
            }
            Ok(says("Agent needs to re-attest; will attempt to re-attest"))
        })?;
        agent.wait_for(|| Ok(self.only_agent().is_ok()))?;
        agent.terminate()?;
        let ended = agent.end()?;
        ensure!(ended.code() == Some(0), "{ended}\n{}", agent.log());
        Ok(agent.log())
    }

    /// The log of an agent that learns when it attests again that it is banned, as it asks for nothing else in between; and of
    /// the same started again, which is refused at its first call.
    fn banned_while_it_attests(&mut self) -> Result<String> {
        let admin = self.pair.agent_lines.clone();
        self.pair.agent_lines = format!("{admin}\n experimental {{ sync_interval = \"1h\" }}");
        let mut agent = self.pair.launch_agent("one", None)?;
        agent.wait_for(|| Ok(agent_says(&self.pair, "one", "Starting Admin APIs")))?;
        self.ask("agent ban", &["-spiffeID".to_owned(), self.only_agent()?])?;
        agent.wait_for(|| Ok(agent_says(&self.pair, "one", "Could not reattest agent")))?;
        agent.kill()?;
        let said = agent.log();
        self.pair.agent_lines = admin;
        let mut again = self.pair.launch_agent("one", None)?;
        again.end()?;
        Ok(format!("{said}{}", again.log()))
    }

    fn only_agent(&self) -> Result<String> {
        let listed = self.pair.server("agent list", &[])?.stdout;
        let id = listed.lines().find_map(|line| line.strip_prefix("SPIFFE ID")?.split_once(": "));
        Ok(id.context("no agent")?.1.trim().to_owned())
    }

    /// The log of an agent that issues, and is evicted.
    fn evicted(&self) -> Result<String> {
        let host = format!("spiffe://{TRUST_DOMAIN}/host");
        let token = self.pair.token(&["-spiffeID", &host])?;
        let mut agent = self.pair.launch_agent("one", Some(&token))?;
        agent.wait_for(|| self.pair.fetch("one").map(|_| agent_says(&self.pair, "one", "Starting Admin APIs")))?;
        let refused = self.pair.fetch("one")?;
        ensure!(refused.exit != 0, "{refused:?}");
        self.ask("entry create", &Self::entry(&host, &["-dns", "w.rig.example"]))?;
        agent.wait_for(|| Ok(self.pair.fetch("one")?.exit == 0))?;
        let fetched = self.pair.workload("one", "api fetch jwt", &["-audience", "a"])?;
        ensure!(fetched.exit == 0, "{fetched:?}");
        agent.wait_for(|| Ok(agent_says(&self.pair, "one", "Renewing X509-SVID")))?;
        forced::rotate(&self.pair, &mut agent, "one")?;
        self.ask("entry update", &Self::entry(&host, &[]))?;
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

    fn entry(parent: &str, more: &[&str]) -> Vec<String> {
        let id = format!("spiffe://{TRUST_DOMAIN}/w");
        let selector = format!("unix:uid:{}", uid());
        let flags = ["-entryID", "one", "-parentID", parent, "-spiffeID", &id, "-selector", &selector];
        flags.iter().chain(&["-x509SVIDTTL", "20"]).chain(more).map(|flag| (*flag).to_owned()).collect()
    }

    fn ask(&self, words: &str, flags: &[String]) -> Result<()> {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let outcome = self.pair.server(words, &flags)?;
        ensure!(outcome.exit == 0, "{words} {flags:?}: {outcome:?}");
        Ok(())
    }
}

/// A node with a certificate, for the attestor `x509pop`.
struct Node {
    server_plugin: String,
    agent_plugin: String,
}

impl Node {
    fn new(pair: &Pair) -> Result<Self> {
        let authority = Authority::new("nodes.example")?;
        let leaf = authority.leaf(&[], &["node"], SignedDuration::from_hours(1))?;
        let write = |name: &str, text: String| -> Result<String> {
            let path = pair.path(name);
            std::fs::write(&path, text)?;
            Ok(path.display().to_string())
        };
        let trusted = write("nodes.pem", authority.certificate_pem())?;
        let certificate = write("node.pem", pem::encode("CERTIFICATE", &leaf.certificate))?;
        let key = write("node.key", pem::encode("PRIVATE KEY", &leaf.key.to_pkcs8()?))?;
        let block = |lines: String| format!("NodeAttestor \"x509pop\" {{ plugin_data {{\n{lines}\n}} }}");
        Ok(Self {
            server_plugin: block(format!("ca_bundle_path = \"{trusted}\"")),
            agent_plugin: block(format!("certificate_path = \"{certificate}\"\nprivate_key_path = \"{key}\"")),
        })
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
