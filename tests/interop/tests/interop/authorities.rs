//! Authorities rotated by request, one step after the other: no workload feels it, and nothing is left of the old ones.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use steeple_tests_interop::{
    Agent, AgentSettings, Join, Process, Rig, Server, ServerSettings, command, free_port, pairings, pki, poll,
};

use crate::clients::workload;
use crate::identities::{joined, jwt};

pairings!(
    needs ["workload", "openssl"];
    forced_x509_rotation_is_not_felt,
    forced_jwt_rotation_replaces_tokens,
    root_of_the_upstream_authority_is_replaced,
);

/// The ID of an authority in the answer of a command.
fn id(answer: &Value, member: &str) -> Result<String> {
    let id = answer.get(member).and_then(|authority| authority.get("authority_id")).and_then(Value::as_str);
    Ok(id.with_context(|| format!("no {member} in {answer}"))?.to_owned())
}

/// The upstream authority of the active authority.
fn upstream(server: &Server) -> Result<String> {
    let states = server.json(&["localauthority", "x509", "show"])?;
    let id = states.pointer("/active/upstream_authority_subject_key_id").and_then(Value::as_str);
    Ok(id.context("no active authority")?.to_owned())
}

/// A member of what a workload gets with its X.509-SVID.
fn given(agent: &Agent, member: &str) -> Result<Value> {
    let svids = agent.x509_svids()?;
    let svid = svids.first().context("an SVID was missing for a moment")?;
    Ok(svid.get(member).with_context(|| format!("no {member}"))?.clone())
}

/// Waits until a workload gets something else under `member` than `before`.
fn await_other(agent: &Agent, member: &str, before: &Value) -> Result<()> {
    poll::until(&format!("another {member}"), || Ok((given(agent, member)? != *before).then_some(())))
}

/// How often the server has made an SVID for itself.
fn own_svids(server: &Server) -> Result<usize> {
    Ok(server.log()?.matches("Rotating server SVID").count())
}

/// The serial number of the only agent's SVID.
fn agent_serial(server: &Server) -> Result<Value> {
    let agents = server.agents()?;
    let agent = agents.first().context("no agent")?;
    Ok(agent.get("x509svid_serial_number").context("no serial number")?.clone())
}

/// Prepares an X.509 authority and activates it when workloads know it.
fn replace(server: &Server, agent: &Agent) -> Result<()> {
    let bundle = given(agent, "bundle")?;
    let prepared = id(&server.json(&["localauthority", "x509", "prepare"])?, "prepared_authority")?;
    await_other(agent, "bundle", &bundle)?;
    server.json(&["localauthority", "x509", "activate", "-authorityID", &prepared])?;
    Ok(())
}

/// Taints by one command, waits until server, agent and workload have left the old authority, and revokes by another.
fn leave(server: &Server, agent: &Agent, taint: &[&str], revoke: &[&str]) -> Result<()> {
    let (svid, bundle) = (given(agent, "x509_svid")?, given(agent, "bundle")?);
    let (serial, own) = (agent_serial(server)?, own_svids(server)?);
    server.ok(taint)?;
    await_other(agent, "x509_svid", &svid)?;
    poll::until("another SVID of the agent", || Ok((agent_serial(server)? != serial).then_some(())))?;
    poll::until("another SVID of the server", || Ok((own_svids(server)? > own).then_some(())))?;
    server.ok(revoke)?;
    await_other(agent, "bundle", &bundle)
}

fn rotate_x509(server: &Server, agent: &Agent) -> Result<()> {
    replace(server, agent)?;
    let old = id(&server.json(&["localauthority", "x509", "show"])?, "old")?;
    let command = |verb| ["localauthority", "x509", verb, "-authorityID", &old];
    leave(server, agent, &command("taint"), &command("revoke"))
}

/// Two workloads that call each other all the time, until the caller has seen so many certificates.
struct Calls {
    _serving: Process,
    calling: Process,
}

impl Calls {
    fn start(rig: &Rig, agent: &Agent, certificates: &str) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let log = |name: &str| rig.folder().join(name);
        let serving = Process::start(&mut workload(agent, "serve", &[&address])?, &log("serve.log"))?;
        poll::until("the listening workload", || Ok(serving.printed()?.contains("listening").then_some(())))?;
        let calling = Process::start(&mut workload(agent, "call", &[&address, certificates])?, &log("call.log"))?;
        Ok(Self { _serving: serving, calling })
    }

    /// Checks that no call has failed so far.
    fn go_on(&mut self) -> Result<()> {
        let ended = self.calling.ended()?;
        ensure!(ended.is_none(), "calls have ended: {}", self.calling.printed()?);
        Ok(())
    }

    /// Waits for the end of the calls, of which none may have failed.
    fn end(mut self) -> Result<()> {
        let exit = poll::until("the end of the calls", || self.calling.ended())?;
        ensure!(exit == 0, "{}", self.calling.printed()?);
        Ok(())
    }
}

fn forced_x509_rotation_is_not_felt(rig: &Rig) -> Result<()> {
    let (server, mut agent) = joined(rig)?;
    server.entry("w", "host", "unix:uid:0", &[])?;
    agent.await_svid("w")?;
    let mut calls = Calls::start(rig, &agent, "3")?;
    rotate_x509(&server, &agent)?;
    calls.go_on()?;
    rotate_x509(&server, &agent)?;
    calls.end()?;
    // What the agent has stored comes from the new authority, or it could not come back.
    agent.forget_token();
    agent.stop()?;
    agent.start()?;
    agent.await_svid("w")?;
    ensure!(server.agents()?.len() == 1);
    Ok(())
}

/// The `kid` of a token.
fn signer(token: &str) -> Result<String> {
    use base64::Engine;
    let header = token.split('.').next().context("no token")?;
    let header: Value = serde_json::from_slice(&base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(header)?)?;
    Ok(header.get("kid").and_then(Value::as_str).context("no kid")?.to_owned())
}

fn validates(agent: &Agent, token: &str) -> Result<bool> {
    Ok(agent.cli(&["api", "validate", "jwt", "-audience", "a", "-svid", token])?.exit == 0)
}

fn forced_jwt_rotation_replaces_tokens(rig: &Rig) -> Result<()> {
    let (server, agent) = joined(rig)?;
    server.entry("w", "host", "unix:uid:0", &[])?;
    agent.await_svid("w")?;
    let first = jwt(&agent, "a")?;
    let prepared = id(&server.json(&["localauthority", "jwt", "prepare"])?, "prepared_authority")?;
    server.json(&["localauthority", "jwt", "activate", "-authorityID", &prepared])?;
    ensure!(jwt(&agent, "a")? == first, "a token is kept as long as nothing is wrong with it");
    let old = signer(&first)?;
    server.ok(&["localauthority", "jwt", "taint", "-authorityID", &old])?;
    let second = poll::until("a token of the new authority", || {
        let token = jwt(&agent, "a")?;
        Ok((signer(&token)? == prepared).then_some(token))
    })?;
    ensure!(validates(&agent, &first)? && validates(&agent, &second)?, "both authorities are trusted");
    server.ok(&["localauthority", "jwt", "revoke", "-authorityID", &old])?;
    poll::until("the end of the old token", || Ok((!validates(&agent, &first)?).then_some(())))?;
    ensure!(validates(&agent, &second)?);
    Ok(())
}

/// Makes the files of the upstream authority those of a new root.
fn new_root(folder: &Path, name: &str) -> Result<()> {
    let root = pki::node(folder, name)?;
    std::fs::copy(root.authority, folder.join("upstream.pem"))?;
    std::fs::copy(root.authority_key, folder.join("upstream.key"))?;
    Ok(())
}

fn root_of_the_upstream_authority_is_replaced(rig: &Rig) -> Result<()> {
    new_root(rig.folder(), "first")?;
    let (certificate, key) = (rig.folder().join("upstream.pem"), rig.folder().join("upstream.key"));
    let plugins = format!(
        "  UpstreamAuthority \"disk\" {{ plugin_data {{ cert_file_path = \"{}\" key_file_path = \"{}\" }} }}\n",
        certificate.display(),
        key.display(),
    );
    let server = rig.server(&ServerSettings { plugins, ..ServerSettings::default() })?;
    let agent = rig.agent(&server, &AgentSettings::new(Join::Token(server.token("host")?)))?;
    server.entry("w", "host", "unix:uid:0", &[])?;
    agent.await_svid("w")?;
    let mut calls = Calls::start(rig, &agent, "3")?;
    for name in ["second", "third"] {
        let old = upstream(&server)?;
        calls.go_on()?;
        new_root(rig.folder(), name)?;
        replace(&server, &agent)?;
        ensure!(upstream(&server)? != old);
        let command = |verb| ["upstreamauthority", verb, "-subjectKeyID", &old];
        leave(&server, &agent, &command("taint"), &command("revoke"))?;
    }
    calls.end()?;
    let chain = rig.folder().join("svid");
    std::fs::create_dir_all(&chain)?;
    let fetched = agent.cli(&["api", "fetch", "x509", "-write", &chain.display().to_string()])?;
    ensure!(fetched.exit == 0, "{fetched}");
    let mut openssl = std::process::Command::new(steeple_tests_interop::peer::path("openssl")?);
    openssl.arg("verify").arg("-CAfile").arg(&certificate).arg("-untrusted").arg(chain.join("svid.0.pem"));
    let verified = command::stdout(openssl.arg(chain.join("svid.0.pem")))?;
    ensure!(verified.trim_end().ends_with(": OK"), "{verified}");
    Ok(())
}
