//! The OIDC discovery provider as a program: what it serves, under its link and as a command, and how it ends.
#![expect(clippy::disallowed_methods, reason = "whole programs are tested on the machine's clock")]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use steeple_tests_system::dev::free_port;
use steeple_tests_system::http::get;
use steeple_tests_system::rig::binary;
use tempfile::TempDir;

/// Longest that anything may take; what works takes a fraction of it.
const PATIENCE: Duration = Duration::from_mins(1);

/// A provider; it is killed when it is dropped.
struct Provider {
    folder: TempDir,
    child: Child,
    port: String,
    health: String,
}

impl Provider {
    /// Starts the program under a link of its name, or as a command.
    fn start(is_command: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (port, health) = (free_port()?, free_port()?);
        fs::write(folder.path().join("bundle.json"), json!({ "keys": [] }).to_string())?;
        let config = format!(
            "domains = [\"localhost\"]\ninsecure_addr = \"127.0.0.1:{port}\"\nallow_insecure_scheme = true\n\
             log_path = \"$FOLDER/log\"\nhealth_checks {{ bind_port = {health} }}\n\
             file {{ path = \"$FOLDER/bundle.json\" poll_interval = \"50ms\" }}\n"
        );
        let path = folder.path().join("oidc.conf");
        fs::write(&path, config)?;
        let link = folder.path().join("oidc-discovery-provider");
        symlink(binary()?, &link)?;
        let mut run = Command::new(if is_command { binary()? } else { link });
        run.args(is_command.then_some("oidc-discovery-provider")).args(["-expandEnv", "-config"]).arg(path);
        run.env("FOLDER", folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let child = run.spawn()?;
        let provider = Self { folder, child, port, health };
        until("a ready provider", || Ok(get(&provider.health, "/ready").is_ok_and(|(status, _)| status == 200)))?;
        Ok(provider)
    }

    fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("log"))?)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !holds()? {
        if Instant::now() > end {
            bail!("{what}: not seen in {PATIENCE:?}");
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The bundle document with one JWT authority of this ID.
fn bundle(kid: &str) -> String {
    json!({ "keys": [{
        "use": "jwt-svid", "kty": "EC", "kid": kid, "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    }]})
    .to_string()
}

#[test]
fn provider_follows_its_source_and_ends_in_good_order() -> Result<()> {
    for is_command in [false, true] {
        let mut provider = Provider::start(is_command)?;
        ensure!(get(&provider.port, "/keys")?.0 == 501, "there are no keys yet");
        let (status, document) = get(&provider.port, "/.well-known/openid-configuration")?;
        let document: Value = serde_json::from_str(&document)?;
        ensure!(status == 200 && document.get("issuer") == Some(&"http://localhost".into()), "{document}");
        for kid in ["one", "two"] {
            let written = provider.folder.path().join("new");
            fs::write(&written, bundle(kid))?;
            fs::rename(written, provider.folder.path().join("bundle.json"))?;
            until("the key", || Ok(get(&provider.port, "/keys")?.1.contains(&format!("\"kid\": \"{kid}\""))))?;
        }
        let pid = i32::try_from(provider.child.id()).ok().and_then(Pid::from_raw).context("pid")?;
        kill_process(pid, Signal::TERM)?;
        let mut ended = None;
        until("the end", || {
            ended = provider.child.try_wait()?;
            Ok(ended.is_some())
        })?;
        ensure!(ended.is_some_and(|status| status.success()), "{ended:?}");
        let log = provider.log()?;
        ensure!(log.contains("Serving HTTP (insecure)") && log.contains("Provider stopped gracefully"), "{log}");
    }
    Ok(())
}
