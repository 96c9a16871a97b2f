//! What is issued holds before OpenSSL and before Go's crypto/x509.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use steeple_tests_interop::{Rig, TRUST_DOMAIN, command, pairings, peer, rig_id};

use crate::identities::joined;

pairings!(needs ["openssl", "oracle"]; issued_svid_holds, minted_svid_holds, bundle_holds);

fn oracle(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Result<()> {
    let mut oracle = Command::new(peer::path("oracle")?);
    for argument in arguments {
        oracle.arg(argument.as_ref());
    }
    command::stdout(&mut oracle).map(drop)
}

/// Both judges on an SVID in three PEM files.
fn judge(chain: &Path, key: &Path, bundle: &Path, id: &str) -> Result<()> {
    oracle(&[&"svid", &chain, &key, &bundle, &id])?;
    for purpose in ["sslserver", "sslclient"] {
        let mut openssl = Command::new(peer::path("openssl")?);
        openssl.args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"]).arg(bundle);
        let said = command::stdout(openssl.arg("-untrusted").arg(chain).arg(chain))?;
        ensure!(said.trim_end().ends_with(": OK"), "{said}");
    }
    let mut text = Command::new(peer::path("openssl")?);
    let text = command::stdout(text.args(["x509", "-noout", "-ext", "subjectAltName", "-in"]).arg(chain))?;
    ensure!(text.contains(&format!("URI:{id}")) && text.contains("DNS:w.example"), "{text}");
    Ok(())
}

fn folder(rig: &Rig) -> Result<(PathBuf, String)> {
    let folder = rig.folder().join("written");
    std::fs::create_dir_all(&folder)?;
    let name = folder.display().to_string();
    Ok((folder, name))
}

fn issued_svid_holds(rig: &Rig) -> Result<()> {
    let (server, agent) = joined(rig)?;
    server.entry("w", "host", "unix:uid:0", &["-dns", "w.example"])?;
    agent.await_svid("w")?;
    let (folder, name) = folder(rig)?;
    let fetched = agent.cli(&["api", "fetch", "x509", "-write", &name])?;
    ensure!(fetched.exit == 0, "{fetched}");
    judge(&folder.join("svid.0.pem"), &folder.join("svid.0.key"), &folder.join("bundle.0.pem"), &rig_id("w"))
}

fn minted_svid_holds(rig: &Rig) -> Result<()> {
    let (server, _agent) = joined(rig)?;
    let (folder, name) = folder(rig)?;
    server.ok(&["x509", "mint", "-spiffeID", &rig_id("m"), "-dns", "w.example", "-write", &name])?;
    judge(&folder.join("svid.pem"), &folder.join("key.pem"), &folder.join("bundle.pem"), &rig_id("m"))
}

fn bundle_holds(rig: &Rig) -> Result<()> {
    let (server, _agent) = joined(rig)?;
    let bundle = rig.folder().join("bundle.pem");
    std::fs::write(&bundle, server.ok(&["bundle", "show"])?)?;
    oracle(&[&"bundle", &bundle, &format!("spiffe://{TRUST_DOMAIN}")])?;
    let mut openssl = Command::new(peer::path("openssl")?);
    openssl.args(["verify", "-x509_strict", "-CAfile"]).arg(&bundle).arg(&bundle);
    command::stdout(&mut openssl).map(drop)
}
