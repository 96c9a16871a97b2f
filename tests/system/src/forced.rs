//! Rotation of authorities by request, step by step as an operator does it.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::pair::{Pair, Program};

/// How often the X.509 authority is replaced until the agent has been caught with an SVID of the old one.
const ATTEMPTS: usize = 10;

/// Replaces, taints and revokes the authorities of both kinds below the agent `name`, each step once the one before has reached
/// everybody.
///
/// # Errors
/// With the log of whoever did not do what was asked.
pub fn rotate(pair: &Pair, agent: &mut Program, name: &str) -> Result<()> {
    // An agent whose SVID was due anyway just before it heard of the taint has left the old authority already.
    let forced = || said(pair, name, &["Agent SVID is tainted by a root authority, forcing rotation"]);
    let mut attempts = 0;
    while forced() == 0 {
        ensure!(attempts < ATTEMPTS, "the agent's SVID was never tainted\n{}", agent.log());
        attempts += 1;
        rotate_x509(pair, agent, name)?;
    }
    let old = replace(pair, agent, name, "jwt")?;
    ask(pair, "localauthority jwt taint", &["-authorityID", &old])?;
    agent.wait_for(|| Ok(said(pair, name, &["JWT-SVIDs were removed from the JWT cache"]) > 0))?;
    ask(pair, "localauthority jwt revoke", &["-authorityID", &old])?;
    Ok(())
}

fn rotate_x509(pair: &Pair, agent: &mut Program, name: &str) -> Result<()> {
    let old = replace(pair, agent, name, "x509")?;
    let renewals = || said(pair, name, &["Successfully reattested node", "Successfully rotated agent SVID"]);
    let processed = || said(pair, name, &["Finished processing all tainted entries"]);
    let of_server = || said(pair, "server", &["Rotating server SVID"]);
    let before = (renewals(), processed(), of_server());
    ask(pair, "localauthority x509 taint", &["-authorityID", &old])?;
    agent.wait_for(|| Ok(renewals() > before.0 && processed() > before.1 && of_server() > before.2))?;
    ask(pair, "localauthority x509 revoke", &["-authorityID", &old])?;
    Ok(())
}

/// Prepares an authority and activates it when the agent knows it; yields the ID of the old one.
fn replace(pair: &Pair, agent: &mut Program, name: &str, kind: &str) -> Result<String> {
    let updates = || said(pair, name, &["Bundle updated"]);
    let seen = updates();
    let prepared = ask(pair, &format!("localauthority {kind} prepare"), &[])?;
    let prepared = id(&prepared, "prepared_authority")?;
    agent.wait_for(|| Ok(updates() > seen))?;
    ask(pair, &format!("localauthority {kind} activate"), &["-authorityID", &prepared])?;
    id(&ask(pair, &format!("localauthority {kind} show"), &[])?, "old")
}

fn id(answer: &Value, member: &str) -> Result<String> {
    let id = answer.get(member).and_then(|authority| authority.get("authority_id")).and_then(Value::as_str);
    Ok(id.with_context(|| format!("no {member} in {answer}"))?.to_owned())
}

fn ask(pair: &Pair, words: &str, flags: &[&str]) -> Result<Value> {
    let outcome = pair.server(words, &[flags, &["-output", "json"]].concat())?;
    ensure!(outcome.exit == 0, "{words} {flags:?}: {outcome:?}");
    Ok(serde_json::from_str(&outcome.stdout)?)
}

/// How often `texts` stand in the log of `name`.
fn said(pair: &Pair, name: &str, texts: &[&str]) -> usize {
    let log = std::fs::read_to_string(pair.path(&format!("{name}.log"))).unwrap_or_default();
    texts.iter().map(|text| log.matches(text).count()).sum()
}
