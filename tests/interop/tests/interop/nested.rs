//! Servers below servers: three levels of one trust domain, made by either product, through rotations and taints.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use steeple_crypto::pem;
use steeple_crypto::x509::Certificate;
use steeple_tests_interop::{
    Agent, AgentSettings, Join, Pair, Product, Rig, Server, ServerSettings, command, peer, poll,
};

use crate::authorities::id;
use crate::calls::Calls;
use crate::identities::jwt;

/// The peers of a scenario.
const PEERS: &[&str] = &["spire-server", "spire-agent", "steeple", "workload", "openssl"];

/// Makes a test of each scenario for each combination of makers, the root's first.
macro_rules! levels {
    ($($name:ident: $root:ident $middle:ident $leaf:ident;)+) => { $(
        mod $name {
            use steeple_tests_interop::{Pair, Product, Rig, run};

            const MAKERS: [Product; 3] = [Product::$root, Product::$middle, Product::$leaf];
            const ROOT: Pair = Pair { server: Product::$root, agent: Product::$root };

            fn rotations(rig: &Rig) -> anyhow::Result<()> {
                super::rotations_and_taints_are_not_felt(rig, MAKERS)
            }

            fn jwt_keys(rig: &Rig) -> anyhow::Result<()> {
                super::jwt_keys_reach_all_levels(rig, MAKERS)
            }

            #[test]
            fn rotations_and_taints_are_not_felt() {
                run(ROOT, super::PEERS, rotations);
            }

            #[test]
            fn jwt_keys_reach_all_levels() {
                run(ROOT, super::PEERS, jwt_keys);
            }
        }
    )+ };
}

levels! {
    go_go_go: Go Go Go;
    go_ours_go: Go Steeple Go;
    ours_go_ours: Steeple Go Steeple;
    go_go_ours: Go Go Steeple;
    ours_ours_go: Steeple Steeple Go;
    ours_ours_ours: Steeple Steeple Steeple;
}

/// The group of nested servers, by which their entries know them.
const SERVERS: u32 = 7001;
/// The selector of whoever runs as the tests do.
const WORKLOADS: &str = "unix:gid:0";

/// A server with its agent.
struct Level {
    rig: Rig,
    server: Server,
    agent: Agent,
}

impl Level {
    /// Starts a server, below another one's if there is one, and its agent.
    fn start(rig: Rig, above: Option<&Self>) -> Result<Self> {
        let plugins = above.map_or_else(String::new, |above| {
            format!(
                "  UpstreamAuthority \"spire\" {{ plugin_data {{ server_address = \"127.0.0.1\" server_port = \"{}\" \
                 workload_api_socket = {:?} }} }}\n",
                above.server.port(),
                above.agent.socket().display().to_string(),
            )
        });
        let group = above.is_some().then_some(SERVERS);
        let server = rig.server(&ServerSettings { plugins, group, ..ServerSettings::default() })?;
        let agent = rig.agent(&server, &AgentSettings::new(Join::Token(server.token("host")?)))?;
        server.entry("below", "host", &format!("unix:gid:{SERVERS}"), &["-downstream"])?;
        server.entry("w", "host", WORKLOADS, &[])?;
        agent.await_svid("w")?;
        Ok(Self { rig, server, agent })
    }

    /// The only identity of a workload of this level.
    fn svid(&self, member: &str) -> Result<Value> {
        let svids = self.agent.x509_svids()?;
        let svid = svids.first().context("an SVID was missing for a moment")?;
        Ok(svid.get(member).with_context(|| format!("no {member}"))?.clone())
    }

    /// Has OpenSSL verify what a workload of this level shows, by the authorities in `bundle` alone.
    fn verify(&self, bundle: &Path) -> Result<()> {
        let folder = self.rig.folder().join("written");
        std::fs::create_dir_all(&folder)?;
        let fetched = self.agent.cli(&["api", "fetch", "x509", "-write", &folder.display().to_string()])?;
        ensure!(fetched.exit == 0, "{fetched}");
        let mut openssl = Command::new(peer::path("openssl")?);
        openssl
            .args(["verify", "-x509_strict", "-CAfile"])
            .arg(bundle)
            .arg("-untrusted")
            .arg(folder.join("svid.0.pem"));
        let said = command::stdout(openssl.arg(folder.join("svid.0.pem")))?;
        ensure!(said.trim_end().ends_with(": OK"), "{said}");
        Ok(())
    }

    /// How often the server has made an SVID for itself.
    fn own_svids(&self) -> Result<usize> {
        Ok(self.server.log()?.matches("Rotating server SVID").count())
    }

    /// The serial number of the agent's SVID.
    fn agent_serial(&self) -> Result<Value> {
        let agents = self.server.agents()?;
        Ok(agents.first().and_then(|agent| agent.get("x509svid_serial_number")).context("no serial number")?.clone())
    }
}

/// Three levels, the root first.
struct Levels([Level; 3]);

impl Levels {
    fn start(rig: &Rig, makers: [Product; 3]) -> Result<Self> {
        let [root, middle, leaf] = makers.map(|product| Pair { server: product, agent: product });
        let root = Level::start(rig.level("1", root)?, None)?;
        let middle = Level::start(rig.level("2", middle)?, Some(&root))?;
        let leaf = Level::start(rig.level("3", leaf)?, Some(&middle))?;
        Ok(Self([root, middle, leaf]))
    }

    /// Waits until OpenSSL verifies workloads of all levels by the root server's authority `id` alone.
    fn await_chains_to(&self, rig: &Rig, id: &str) -> Result<()> {
        let (bundle, only) = (rig.folder().join("bundle.pem"), rig.folder().join("only.pem"));
        std::fs::write(&bundle, self.0[0].server.ok(&["bundle", "show"])?)?;
        std::fs::write(&only, authority(&bundle, id)?)?;
        for (at, level) in self.0.iter().enumerate() {
            poll::until_ok(&format!("workloads of level {at} below {id}"), || level.verify(&only))?;
        }
        Ok(())
    }

    /// Waits until workloads of all levels know `count` authorities.
    fn await_authorities(&self, count: usize) -> Result<()> {
        for (at, level) in self.0.iter().enumerate() {
            poll::until(&format!("{count} authorities on level {at}"), || {
                let bundle = level.svid("bundle")?;
                let ders = BASE64_STANDARD.decode(bundle.as_str().context("no bundle")?)?;
                Ok((Certificate::many_from_der(&ders)?.len() == count).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Replaces the root's authority; yields the old one's ID and the new one's.
    fn rotate_root(&self, known: usize) -> Result<(String, String)> {
        let server = &self.0[0].server;
        let prepared = id(&server.json(&["localauthority", "x509", "prepare"])?, "prepared_authority")?;
        self.await_authorities(known + 1)?;
        server.json(&["localauthority", "x509", "activate", "-authorityID", &prepared])?;
        Ok((id(&server.json(&["localauthority", "x509", "show"])?, "old")?, prepared))
    }

    /// Waits until servers, agents and workloads of all levels hold what the authority `id` of the root has signed, from what
    /// they had `before` on.
    fn await_departure(&self, rig: &Rig, id: &str, before: &[(usize, Value)]) -> Result<()> {
        self.await_chains_to(rig, id)?;
        for (at, (level, (own, serial))) in self.0.iter().zip(before).enumerate() {
            poll::until(&format!("another SVID of the agent of level {at}"), || {
                Ok((level.agent_serial()? != *serial).then_some(()))
            })?;
            poll::until(&format!("another SVID of the server of level {at}"), || {
                Ok((level.own_svids()? > *own).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Waits until each of our servers below the root has told in its log of a taint and a revocation from above.
    fn await_told(&self, makers: [Product; 3]) -> Result<()> {
        for (level, _) in self.0.iter().zip(makers).skip(1).filter(|(_, maker)| *maker == Product::Steeple) {
            for text in [
                "msg=\"Current root CA is signed by a tainted upstream authority, preparing rotation\"",
                "msg=\"X.509 authority revoked\"",
            ] {
                poll::until(text, || Ok(level.server.log()?.contains(text).then_some(())))?;
            }
        }
        Ok(())
    }

    /// What servers and agents have for themselves.
    fn own(&self) -> Result<Vec<(usize, Value)>> {
        self.0.iter().map(|level| Ok((level.own_svids()?, level.agent_serial()?))).collect()
    }
}

/// The PEM block of the authority `id` in `bundle`.
fn authority(bundle: &Path, id: &str) -> Result<String> {
    for block in pem::certificates(&std::fs::read_to_string(bundle)?)? {
        if hex::encode(Certificate::from_der(&block)?.subject_key_id()) == id {
            return Ok(pem::encode("CERTIFICATE", &block));
        }
    }
    bail!("no authority {id} in the bundle")
}

fn rotations_and_taints_are_not_felt(rig: &Rig, makers: [Product; 3]) -> Result<()> {
    let levels = Levels::start(rig, makers)?;
    let [root, middle, leaf] = &levels.0;
    let first = id(&root.server.json(&["localauthority", "x509", "show"])?, "active")?;
    levels.await_chains_to(rig, &first)?;
    let (top, bottom) = (&root.agent, &leaf.agent);
    // Certificates of all three roots are to be shown by both sides.
    let mut calls = [Calls::start(rig, "down", top, bottom, 6)?, Calls::start(rig, "up", bottom, top, 6)?];

    // Tainted from above: all levels below the root leave the old authority by themselves.
    let (old, second) = levels.rotate_root(1)?;
    ensure!(old == first);
    let before = levels.own()?;
    root.server.ok(&["localauthority", "x509", "taint", "-authorityID", &first])?;
    levels.await_departure(rig, &second, &before)?;
    root.server.ok(&["localauthority", "x509", "revoke", "-authorityID", &first])?;
    levels.await_authorities(1)?;
    levels.await_told(makers)?;
    for calls in &mut calls {
        calls.go_on()?;
    }

    // Tainted in the middle, whose operator has its authority replaced first.
    let (old, third) = levels.rotate_root(1)?;
    ensure!(old == second);
    let prepared = id(&middle.server.json(&["localauthority", "x509", "prepare"])?, "prepared_authority")?;
    middle.server.json(&["localauthority", "x509", "activate", "-authorityID", &prepared])?;
    let before = levels.own()?;
    middle.server.ok(&["upstreamauthority", "taint", "-subjectKeyID", &second])?;
    poll::until_ok("workloads of the leaf below the third root", || {
        let only = rig.folder().join("third.pem");
        let bundle = rig.folder().join("bundle.pem");
        std::fs::write(&bundle, root.server.ok(&["bundle", "show"])?)?;
        std::fs::write(&only, authority(&bundle, &third)?)?;
        leaf.verify(&only)
    })?;
    root.server.ok(&["localauthority", "x509", "taint", "-authorityID", &second])?;
    levels.await_departure(rig, &third, &before)?;
    root.server.ok(&["localauthority", "x509", "revoke", "-authorityID", &second])?;
    levels.await_authorities(1)?;
    for calls in &mut calls {
        calls.end()?;
    }
    Ok(())
}

fn jwt_keys_reach_all_levels(rig: &Rig, makers: [Product; 3]) -> Result<()> {
    let levels = Levels::start(rig, makers)?;
    let validates = |token: &str, what: &str| {
        for (at, level) in levels.0.iter().enumerate() {
            poll::until_ok(&format!("a token of {what} on level {at}"), || {
                let said = level.agent.cli(&["api", "validate", "jwt", "-audience", "a", "-svid", token])?;
                ensure!(said.exit == 0, "{said}");
                Ok(())
            })?;
        }
        anyhow::Ok(())
    };
    for (at, level) in levels.0.iter().enumerate() {
        validates(&jwt(&level.agent, "a")?, &format!("level {at}"))?;
    }
    for (at, level) in levels.0.iter().enumerate() {
        let prepared = id(&level.server.json(&["localauthority", "jwt", "prepare"])?, "prepared_authority")?;
        let old = id(
            &level.server.json(&["localauthority", "jwt", "activate", "-authorityID", &prepared])?,
            "activated_authority",
        )?;
        ensure!(old == prepared);
        let minted = level.server.ok(&["jwt", "mint", "-spiffeID", &level.server.id_of("m"), "-audience", "a"])?;
        validates(minted.trim(), &format!("the new authority of level {at}"))?;
    }
    Ok(())
}
