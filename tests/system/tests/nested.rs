//! Three servers of one trust domain, each below the one before.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use steeple_tests_system::golden::Outcome;
use steeple_tests_system::pair::{Pair, Program};
use steeple_tests_system::rig::{TRUST_DOMAIN, uid};

/// A server with its agent, which has one entry for this user.
struct Level {
    pair: Pair,
    server: Program,
    agent: Program,
}

impl Level {
    /// Starts a server and its agent, whose entry has `flags`.
    fn start(pair: Pair, flags: &[&str]) -> Result<Self> {
        let server = pair.start_server()?;
        let node = format!("spiffe://{TRUST_DOMAIN}/node");
        let token = pair.token(&["-spiffeID", &node])?;
        let (id, selector) = (format!("spiffe://{TRUST_DOMAIN}/below"), format!("unix:uid:{}", uid()));
        let entry = ["-parentID", &node, "-spiffeID", &id, "-selector", &selector];
        done(&pair.server("entry create", &[&entry, flags].concat())?)?;
        let agent = pair.start_agent("agent", Some(&token))?;
        Ok(Self { pair, server, agent })
    }

    /// The files of a server below this one.
    fn below(&self) -> Result<Pair> {
        let mut pair = Pair::new()?;
        pair.server_plugins = format!(
            "UpstreamAuthority \"spire\" {{ plugin_data {{ server_address = \"127.0.0.1\" server_port = {} \
             workload_api_socket = {:?} }} }}",
            self.pair.port(),
            self.pair.path("agent-api/api.sock").display().to_string(),
        );
        Ok(pair)
    }

    /// The key IDs of the JWT authorities in the server's bundle.
    fn jwt_keys(&self) -> Result<Vec<String>> {
        let shown = self.pair.server("bundle show", &["-format", "spiffe"])?;
        let bundle: Value = serde_json::from_str(&done(&shown)?)?;
        let keys = bundle.get("keys").and_then(Value::as_array).context("no keys")?;
        Ok(keys.iter().filter_map(|key| Some(key.get("kid")?.as_str()?.to_owned())).collect())
    }

    /// Prepares an authority; yields its ID.
    fn prepare(&self, kind: &str) -> Result<String> {
        let prepared = done(&self.pair.server(&format!("localauthority {kind} prepare"), &["-output", "json"])?)?;
        let prepared: Value = serde_json::from_str(&prepared)?;
        let id = prepared.pointer("/prepared_authority/authority_id").and_then(Value::as_str);
        Ok(id.with_context(|| format!("no authority in {prepared}"))?.to_owned())
    }
}

/// What a command that must end well has printed.
fn done(outcome: &Outcome) -> Result<String> {
    ensure!(outcome.exit == 0, "{outcome:?}");
    Ok(outcome.stdout.clone())
}

#[test]
fn levels_go_on_while_the_one_above_is_away() -> Result<()> {
    let mut root = Level::start(Pair::new()?, &["-downstream"])?;
    let mut middle = Level::start(root.below()?, &["-downstream"])?;
    let mut leaf = Level::start(middle.below()?, &[])?;
    let (known, told) = (leaf.jwt_keys()?, root.jwt_keys()?);
    ensure!(known.len() == 3 && known.iter().all(|key| told.contains(key)), "{known:?} {told:?}");

    root.server.kill()?;
    middle.server.kill()?;
    // Its authorities are in its journal.
    middle.server = middle.pair.start_server()?;
    let refused = middle.pair.server("localauthority jwt prepare", &[])?;
    let text = "failed to prepare JWT authority: upstreamauthority(spire): failed to push JWT authority: rpc error: code = \
                Unavailable";
    ensure!(refused.exit != 0 && refused.stderr.contains(text), "{refused:?}");
    let refused = middle.pair.server("localauthority x509 prepare", &[])?;
    let text = "failed to prepare X.509 authority: upstreamauthority(spire): unable to request a new Downstream X509CA";
    ensure!(refused.exit != 0 && refused.stderr.contains(text), "{refused:?}");
    leaf.prepare("x509")?;
    done(&leaf.pair.fetch("agent")?)?;
    leaf.agent.kill()?;
    leaf.agent = leaf.pair.start_agent("agent", None)?;

    root.server = root.pair.start_server()?;
    let key = middle.prepare("jwt")?;
    ensure!(root.jwt_keys()?.contains(&key));
    leaf.server.wait_for(|| Ok(leaf_knows(&leaf.pair, &key)))?;
    root.agent.kill()?;
    middle.prepare("x509").context("the identity holds without the agent")?;
    Ok(())
}

fn leaf_knows(pair: &Pair, key: &str) -> bool {
    let shown = pair.server("bundle show", &["-format", "spiffe"]);
    shown.is_ok_and(|shown| shown.stdout.contains(key))
}

#[test]
fn first_start_without_the_server_above_ends_and_says_why() -> Result<()> {
    let mut root = Level::start(Pair::new()?, &["-downstream"])?;
    root.server.kill()?;
    let pair = root.below()?;
    let mut middle = pair.launch_server()?;
    let status = middle.end()?;
    let text = "upstreamauthority(spire): unable to request a new Downstream X509CA: rpc error: code = Unavailable";
    ensure!(!status.success() && middle.log().contains(text), "{status}\n{}", middle.log());
    Ok(())
}
