//! Authorities rotated by request, one step after the other: no workload feels it, and nothing is left of the old ones.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use steeple_crypto::x509::Certificate;
use steeple_tests_interop::{Agent, AgentSettings, Join, Rig, Server, ServerSettings, command, pairings, pki, poll};

use crate::calls::Calls;
use crate::identities::{joined, jwt};

pairings!(
    needs ["workload", "openssl"];
    forced_x509_rotation_is_not_felt,
    forced_jwt_rotation_replaces_tokens,
    root_of_the_upstream_authority_is_replaced,
);

/// The ID of an authority in the answer of a command.
pub(crate) fn id(answer: &Value, member: &str) -> Result<String> {
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

/// The serial numbers of the agents' SVIDs.
fn agent_serials(server: &Server) -> Result<Vec<Value>> {
    let serial = |agent: &Value| agent.get("x509svid_serial_number").context("no serial number").cloned();
    server.agents()?.iter().map(serial).collect()
}

/// The ID of the authority that has signed a workload's X.509-SVID.
fn issuer(agent: &Agent) -> Result<String> {
    let svid = given(agent, "x509_svid")?;
    let chain = BASE64_STANDARD.decode(svid.as_str().context("an SVID that is no text")?)?;
    let leaf = Certificate::many_from_der(&chain)?.into_iter().next().context("an SVID without certificates")?;
    Ok(hex::encode(leaf.authority_key_id()))
}

/// Prepares an X.509 authority and activates it when the workloads of all agents know it.
fn replace(server: &Server, agents: &[&Agent]) -> Result<()> {
    let bundles = agents.iter().map(|agent| given(agent, "bundle")).collect::<Result<Vec<_>>>()?;
    let prepared = id(&server.json(&["localauthority", "x509", "prepare"])?, "prepared_authority")?;
    agents.iter().zip(&bundles).try_for_each(|(agent, bundle)| await_other(agent, "bundle", bundle))?;
    server.json(&["localauthority", "x509", "activate", "-authorityID", &prepared])?;
    Ok(())
}

/// Taints by one command, waits until the server, all agents and their workloads have left the old authority, and revokes by
/// another.
fn leave(server: &Server, agents: &[&Agent], taint: &[&str], revoke: &[&str]) -> Result<()> {
    let active = id(&server.json(&["localauthority", "x509", "show"])?, "active")?;
    let bundles = agents.iter().map(|agent| given(agent, "bundle")).collect::<Result<Vec<_>>>()?;
    let (serials, own) = (agent_serials(server)?, own_svids(server)?);
    server.ok(taint)?;
    for agent in agents {
        // A renewal may have come between, so that another SVID need not be one of the new authority.
        poll::until("an SVID of the new authority", || Ok((issuer(agent)? == active).then_some(())))?;
    }
    poll::until("other SVIDs of the agents", || {
        Ok(agent_serials(server)?.iter().all(|serial| !serials.contains(serial)).then_some(()))
    })?;
    poll::until("another SVID of the server", || Ok((own_svids(server)? > own).then_some(())))?;
    server.ok(revoke)?;
    agents.iter().zip(&bundles).try_for_each(|(agent, bundle)| await_other(agent, "bundle", bundle))
}

/// Replaces the X.509 authority and revokes the one before.
pub(crate) fn rotate_x509(server: &Server, agents: &[&Agent]) -> Result<()> {
    replace(server, agents)?;
    let old = id(&server.json(&["localauthority", "x509", "show"])?, "old")?;
    let command = |verb| ["localauthority", "x509", verb, "-authorityID", &old];
    leave(server, agents, &command("taint"), &command("revoke"))
}

fn forced_x509_rotation_is_not_felt(rig: &Rig) -> Result<()> {
    let (server, mut agent) = joined(rig)?;
    server.entry("w", "host", "unix:uid:0", &[])?;
    agent.await_svid("w")?;
    let mut calls = Calls::start(rig, "calls", &agent, &agent, 3)?;
    rotate_x509(&server, &[&agent])?;
    calls.go_on()?;
    rotate_x509(&server, &[&agent])?;
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
    let mut calls = Calls::start(rig, "calls", &agent, &agent, 3)?;
    for name in ["second", "third"] {
        let old = upstream(&server)?;
        calls.go_on()?;
        new_root(rig.folder(), name)?;
        replace(&server, &[&agent])?;
        ensure!(upstream(&server)? != old);
        let command = |verb| ["upstreamauthority", verb, "-subjectKeyID", &old];
        leave(&server, &[&agent], &command("taint"), &command("revoke"))?;
    }
    calls.end()?;
    let log = server.log()?;
    for text in ["X.509 upstream authority tainted successfully", "X.509 upstream authority successfully revoked"] {
        ensure!(log.matches(text).count() == 2, "{text}: not twice in {log}");
    }
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
