//! How `dev` shows an identity to a person.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use steeple_crypto::x509::Certificate;

use super::identity::{AUDIENCE, Identity};

/// What is told besides the identity.
pub(super) struct Surroundings<'a> {
    pub(super) version: &'a str,
    pub(super) server_socket: &'a Path,
    pub(super) agent_socket: &'a Path,
    pub(super) log: &'a Path,
    pub(super) took: Duration,
    pub(super) stays: bool,
    /// Arguments with which `dev` would stay.
    pub(super) lasting: &'a [String],
}

pub(super) fn render(identity: &Identity, around: &Surroundings<'_>) -> anyhow::Result<String> {
    let token = &identity.token;
    let svid = identity.svid.svids.first().context("no X.509-SVID came")?;
    let chain = Certificate::many_from_der(&svid.x509_svid)?;
    let leaf = chain.first().context("the X.509-SVID is empty")?;
    let mut out = String::new();
    writeln!(out, "steeple {} - identity after {:.2} s\n", around.version, around.took.as_secs_f64())?;
    writeln!(out, "X.509-SVID")?;
    writeln!(out, "  SPIFFE ID    {}", svid.spiffe_id)?;
    writeln!(out, "  valid        {} to {}", time(leaf.not_before()), time(leaf.not_after()))?;
    for (index, certificate) in chain.iter().enumerate() {
        let label = if index == 0 { "chain" } else { "" };
        writeln!(out, "  {label:<12} {} (serial {})", certificate.subject(), certificate.serial_hex())?;
    }
    for root in Certificate::many_from_der(&svid.bundle)? {
        writeln!(out, "  trusted      {} until {}", root.subject(), time(root.not_after()))?;
    }
    writeln!(out, "  selectors    {} (matched)\n", identity.selectors.join(", "))?;
    writeln!(out, "JWT-SVID")?;
    writeln!(out, "  SPIFFE ID    {}", token.spiffe_id)?;
    writeln!(out, "  audience     {AUDIENCE}")?;
    let (issued, expires) = lifetime(&token.svid)?;
    writeln!(out, "  valid        {} to {}", time(issued), time(expires))?;
    writeln!(out, "  token        {}\n", token.svid)?;
    let (server, agent) = (around.server_socket.display(), around.agent_socket.display());
    writeln!(out, "Sockets")?;
    writeln!(out, "  Workload API unix://{agent}")?;
    writeln!(out, "  server       {server} (administration)")?;
    writeln!(out, "  log          {}\n", around.log.display())?;
    let program = std::env::current_exe().map_or_else(|_| "steeple".to_owned(), |path| path.display().to_string());
    if around.stays {
        writeln!(out, "Try next, in another terminal")?;
    } else {
        let words =
            std::iter::once("dev").chain(around.lasting.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
        writeln!(out, "Try next, once `{program} {words}` serves (without --once)")?;
    }
    writeln!(out, "  {program} agent api fetch x509 -socketPath {agent}")?;
    writeln!(out, "  {program} agent api fetch jwt -audience {AUDIENCE} -socketPath {agent}")?;
    writeln!(out, "  {program} server entry show -socketPath {server}")?;
    if around.stays {
        writeln!(out, "\nServing until Ctrl-C.")?;
    }
    Ok(out)
}

fn time(time: Timestamp) -> String {
    TimeZone::UTC.to_datetime(time).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// When a token was issued and when it expires.
fn lifetime(token: &str) -> anyhow::Result<(Timestamp, Timestamp)> {
    let claims = token.split('.').nth(1).context("the JWT-SVID has no claims")?;
    let claims: serde_json::Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims)?)?;
    let at = |claim: &str| {
        let seconds = claims.get(claim).and_then(serde_json::Value::as_i64).context("the JWT-SVID has no lifetime")?;
        Ok::<_, anyhow::Error>(Timestamp::from_second(seconds)?)
    };
    Ok((at("iat")?, at("exp")?))
}
