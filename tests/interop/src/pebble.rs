//! Pebble, the ACME server that Let's Encrypt tests clients with, and the DNS server that leads all names to this machine.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::pki::{self, NodePki};
use crate::poll;
use crate::port::free_port;
use crate::process::Process;

/// What must be there for it.
pub const PEERS: [&str; 3] = ["pebble", "pebble-challtestsrv", "openssl"];

/// A running ACME server.
#[derive(Debug)]
pub struct Pebble {
    process: Process,
    dns: Process,
    pki: NodePki,
    port: u16,
    management: u16,
}

impl Pebble {
    /// Starts one that looks for answers to challenges at `tls_port`. It refuses every tenth nonce or so.
    ///
    /// # Errors
    /// When it ends or does not listen.
    pub fn start(folder: &Path, tls_port: u16) -> Result<Self> {
        let pki = pki::web(folder, "pebble")?;
        let (port, management, dns_port) = (free_port()?, free_port()?, free_port()?);
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"), "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": pki.certificate, "privateKey": pki.key, "httpPort": free_port()?, "tlsPort": tls_port,
            "keyAlgorithm": "ecdsa", "retryAfter": { "authz": 1, "order": 1 },
        } });
        let path = folder.join("pebble.json");
        std::fs::write(&path, config.to_string())?;
        let mut serve_names = Command::new(crate::peer::path("pebble-challtestsrv")?);
        serve_names.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv6", ""]);
        serve_names.args(["-management", &format!("127.0.0.1:{}", free_port()?)]);
        let address = format!("127.0.0.1:{dns_port}");
        let dns = Process::start(serve_names.args(["-dnsserver", &address]), &folder.join("dns.log"))?;
        let mut serve = Command::new(crate::peer::path("pebble")?);
        serve.arg("-config").arg(&path).args(["-dnsserver", &address]);
        serve.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "10");
        let mut process = Process::start(&mut serve, &folder.join("pebble.log"))?;
        poll::until("a listening ACME server", || {
            if let Some(exit) = process.ended()? {
                bail!("pebble ended with {exit}: {}", process.printed()?);
            }
            let listens = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
            Ok((listens(port) && listens(management) && listens(dns_port)).then_some(()))
        })?;
        Ok(Self { process, dns, pki, port, management })
    }

    /// The URL of its directory.
    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// The authority of its own certificate, PEM.
    pub fn authority(&self) -> &PathBuf {
        &self.pki.authority
    }

    /// Where it tells by which root it issues: over HTTPS, at `/roots/0`.
    pub fn management(&self) -> u16 {
        self.management
    }

    /// All it has printed.
    ///
    /// # Errors
    /// When that can't be read.
    pub fn printed(&self) -> Result<String> {
        self.process.printed()
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it can't be ended.
    pub fn kill(self) -> Result<()> {
        self.dns.kill()?;
        self.process.kill()
    }
}
