//! Two trust domains, each of either product, that fetch each other's bundles over both profiles, through rotations of their
//! authorities.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use steeple_tests_interop::{
    Agent, AgentSettings, GO, Join, OURS, Pair, Product, Rig, Server, ServerSettings, command, free_port, peer, pki,
    poll, run,
};

use crate::identities::jwt;

const OTHER: &str = "other.example";

/// One trust domain of each product.
macro_rules! domains {
    ($($scenario:ident),+ $(,)?) => {
        mod go_with_go {
            $(#[test] fn $scenario() { super::run(super::GO, &["openssl"], super::$scenario); })+
        }
        mod go_with_ours {
            $(#[test] fn $scenario() { super::run(super::of(super::Product::Go, super::Product::Steeple), &["openssl"], super::$scenario); })+
        }
        mod ours_with_go {
            $(#[test] fn $scenario() { super::run(super::of(super::Product::Steeple, super::Product::Go), &["openssl"], super::$scenario); })+
        }
        mod ours_with_ours {
            $(#[test] fn $scenario() { super::run(super::OURS, &["openssl"], super::$scenario); })+
        }
    };
}

domains!(trust_domains_federate_by_svids, trust_domains_federate_by_web_pki);

/// The first trust domain is of the one product, the second of the other.
fn of(first: Product, second: Product) -> Pair {
    Pair { server: first, agent: second }
}

/// A trust domain: its server, an agent and the port of its bundle endpoint.
struct Domain {
    server: Server,
    agent: Agent,
    port: u16,
}

impl Domain {
    fn id(&self) -> String {
        format!("spiffe://{}", self.server.trust_domain())
    }

    fn url(&self) -> String {
        url(self.port)
    }

    /// Its bundle as it tells it.
    fn bundle(&self) -> Result<String> {
        self.server.ok(&["bundle", "show", "-format", "spiffe"])
    }

    /// Fetches the bundle of `other`, until that works.
    fn refresh(&self, other: &Self) -> Result<()> {
        let refreshed =
            poll::until_ok("a refreshed bundle", || self.server.ok(&["federation", "refresh", "-id", &other.id()]));
        refreshed.map(drop)
    }

    /// Waits until this server knows of `other` what that says, and a workload here has it too.
    fn knows(&self, other: &Self) -> Result<()> {
        self.refresh(other)?;
        let wanted = keys(&other.bundle()?)?;
        let listed = self.server.ok(&["bundle", "list", "-id", &other.id(), "-format", "spiffe"])?;
        ensure!(keys(&listed)? == wanted, "{listed} is not {wanted:?}");
        let wanted = certificates(&other.bundle()?)?;
        poll::until("the federated bundle at a workload", || {
            let answer = self.agent.x509_answer()?;
            let told = answer.get("federated_bundles").and_then(|bundles| bundles.get(other.id()));
            Ok((told.and_then(Value::as_str) == Some(&wanted)).then_some(()))
        })
    }

    /// Waits until what workloads of `other` show holds by what workloads here know of it.
    fn believes(&self, other: &Self, folder: &Path) -> Result<()> {
        poll::until_ok("an SVID and a token of the other trust domain that hold", || self.holds(other, folder))
    }

    fn holds(&self, other: &Self, folder: &Path) -> Result<()> {
        let (mine, theirs) = (folder.join(self.server.trust_domain()), folder.join(other.server.trust_domain()));
        for (agent, folder) in [(&self.agent, &mine), (&other.agent, &theirs)] {
            std::fs::create_dir_all(folder)?;
            let written = agent.cli(&["api", "fetch", "x509", "-write", &folder.display().to_string()])?;
            ensure!(written.exit == 0, "{written}");
        }
        let (bundle, svid) = (mine.join("federated_bundle.0.0.pem"), theirs.join("svid.0.pem"));
        let mut openssl = Command::new(peer::path("openssl")?);
        openssl.args(["verify", "-CAfile"]).arg(bundle).arg("-untrusted").arg(&svid).arg(&svid);
        let said = command::stdout(&mut openssl)?;
        ensure!(said.trim_end().ends_with(": OK"), "{said}");
        let token = jwt(&other.agent, "a")?;
        let valid = self.agent.cli(&["api", "validate", "jwt", "-audience", "a", "-svid", &token])?;
        ensure!(valid.exit == 0 && valid.stdout.contains(&other.server.id_of("w")), "{valid}");
        Ok(())
    }
}

fn url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// The keys of a bundle document, in whatever order.
fn keys(document: &str) -> Result<BTreeSet<String>> {
    let document: Value = serde_json::from_str(document).with_context(|| document.to_owned())?;
    let keys = document.get("keys").cloned().context("no keys")?;
    let keys: Vec<BTreeMap<String, Value>> = serde_json::from_value(keys)?;
    keys.iter().map(|key| Ok(serde_json::to_string(key)?)).collect()
}

/// Which key has signed a token.
fn key_id(token: &str) -> Result<String> {
    use base64::Engine as _;
    let header = token.split('.').next().unwrap_or_default();
    let header: Value = serde_json::from_slice(&base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(header)?)?;
    Ok(header.get("kid").and_then(Value::as_str).context("no key ID")?.to_owned())
}

/// The certificates of a bundle document as the Workload API tells them: DER one after the other, in base64.
fn certificates(document: &str) -> Result<String> {
    use base64::Engine as _;
    let document: Value = serde_json::from_str(document)?;
    let base64 = base64::prelude::BASE64_STANDARD;
    let mut all = Vec::new();
    for key in document.get("keys").and_then(Value::as_array).context("no keys")? {
        if let Some(certificate) = key.pointer("/x5c/0").and_then(Value::as_str) {
            all.extend(base64.decode(certificate)?);
        }
    }
    Ok(base64.encode(all))
}

/// How endpoints prove who they are.
#[derive(Clone, Copy)]
enum Profile<'a> {
    Spiffe,
    Web(&'a pki::NodePki),
}

impl Profile<'_> {
    /// The profile of an endpoint in the configuration.
    fn of_endpoint(self) -> String {
        match self {
            Self::Spiffe => "profile \"https_spiffe\" {}".to_owned(),
            Self::Web(pki::NodePki { certificate, key, .. }) => format!(
                "profile \"https_web\" {{ serving_cert_file {{ cert_file_path = {:?} key_file_path = {:?} \
                 file_sync_interval = \"1s\" }} }}",
                certificate.display().to_string(),
                key.display().to_string()
            ),
        }
    }

    /// The profile of a relationship with `trust_domain` in the configuration.
    fn of_relationship(self, trust_domain: &str) -> String {
        match self {
            Self::Spiffe => {
                format!("\"https_spiffe\" {{ endpoint_spiffe_id = \"spiffe://{trust_domain}/spire/server\" }}")
            }
            Self::Web(_) => "\"https_web\" {}".to_owned(),
        }
    }

    fn environment(self) -> Vec<(String, String)> {
        match self {
            Self::Spiffe => Vec::new(),
            Self::Web(pki) => vec![("SSL_CERT_FILE".to_owned(), pki.authority.display().to_string())],
        }
    }
}

fn trust_domains_federate_by_svids(rig: &Rig) -> Result<()> {
    federate(rig, Profile::Spiffe)
}

fn trust_domains_federate_by_web_pki(rig: &Rig) -> Result<()> {
    let pki = pki::web(rig.folder(), "web")?;
    federate(rig, Profile::Web(&pki))
}

/// Starts a server with an endpoint, and an agent of it.
fn domain(rig: &Rig, profile: Profile<'_>, port: u16, relationship: &str) -> Result<Domain> {
    let lines = format!(
        "  federation {{\n    bundle_endpoint {{ address = \"127.0.0.1\" port = {port} refresh_hint = \"5m\" {} }}\n{relationship}  }}",
        profile.of_endpoint()
    );
    let server =
        rig.server(&ServerSettings { lines, environment: profile.environment(), ..ServerSettings::default() })?;
    let agent = rig.agent(&server, &AgentSettings::new(Join::Token(server.token("host")?)))?;
    Ok(Domain { server, agent, port })
}

/// The first trust domain knows the second from its configuration, the second learns of the first by an API.
fn federate(rig: &Rig, profile: Profile<'_>) -> Result<()> {
    let (first, second) = (rig.server_product(), rig.agent_product());
    let rig_of = |product: Product| Pair { server: product, agent: product };
    let (port, other_port) = (free_port()?, free_port()?);
    let relationship = format!(
        "    federates_with \"{OTHER}\" {{ bundle_endpoint_url = \"{}\" bundle_endpoint_profile {} }}\n",
        url(other_port),
        profile.of_relationship(OTHER)
    );
    let one = domain(&rig.played_by(rig_of(first)), profile, port, &relationship)?;
    let other = domain(&rig.neighbour(OTHER, rig_of(second))?, profile, other_port, "")?;
    introduce(rig, &one, &other, profile)?;
    one.refresh(&other)?;
    other.refresh(&one)?;
    for (domain, peer) in [(&one, &other), (&other, &one)] {
        domain.server.entry("w", "host", "unix:uid:0", &["-federatesWith", &peer.id()])?;
        domain.agent.await_svid("w")?;
    }
    let folder = rig.folder().join("written");
    let meet = || {
        one.knows(&other)?;
        other.knows(&one)?;
        one.believes(&other, &folder)?;
        other.believes(&one, &folder)
    };
    meet()?;
    for (rotating, watching) in [(&other, &one), (&one, &other)] {
        rotate(rotating, || watching.knows(rotating))?;
        meet()?;
    }
    Ok(())
}

/// What each must know of the other before it can fetch.
fn introduce(rig: &Rig, one: &Domain, other: &Domain, profile: Profile<'_>) -> Result<()> {
    let (of_one, of_other) = (rig.folder().join("one.json"), rig.folder().join("other.json"));
    std::fs::write(&of_one, one.bundle()?)?;
    std::fs::write(&of_other, other.bundle()?)?;
    let (of_one, of_other) = (of_one.display().to_string(), of_other.display().to_string());
    let (name, url, endpoint_id) = (one.server.trust_domain(), one.url(), one.server.id_of("spire/server"));
    let create = ["federation", "create", "-trustDomain", name, "-bundleEndpointURL", &url, "-bundleEndpointProfile"];
    match profile {
        Profile::Spiffe => {
            one.server.ok(&["bundle", "set", "-id", &other.id(), "-format", "spiffe", "-path", &of_other])?;
            let bundle = ["-trustDomainBundlePath", &of_one, "-trustDomainBundleFormat", "spiffe"];
            other.server.ok(&[&create[..], &["https_spiffe", "-endpointSpiffeID", &endpoint_id], &bundle].concat())?;
        }
        Profile::Web(_) => drop(other.server.ok(&[&create[..], &["https_web"]].concat())?),
    }
    Ok(())
}

/// Rotates both authorities of a trust domain and revokes the old ones; `learn` is called whenever others must have learnt of
/// a step.
fn rotate(domain: &Domain, learn: impl Fn() -> Result<()>) -> Result<()> {
    let before = domain.agent.await_svid("w")?;
    for kind in ["x509", "jwt"] {
        let authority = |verb: &str| -> Result<String> {
            let state = domain.server.json(&["localauthority", kind, verb])?;
            let slot = match verb {
                "prepare" => "/prepared_authority/authority_id",
                _ => "/active/authority_id",
            };
            Ok(state.pointer(slot).and_then(Value::as_str).with_context(|| state.to_string())?.to_owned())
        };
        let old = authority("show")?;
        let new = authority("prepare")?;
        learn()?;
        domain.server.ok(&["localauthority", kind, "activate", "-authorityID", &new])?;
        domain.server.ok(&["localauthority", kind, "taint", "-authorityID", &old])?;
        // What the server and workloads show must be of the new authority before the old one goes: an agent that does not
        // see the taint goes on with what it has.
        poll::until("an SVID of the new authority", || {
            learn()?;
            let is_new = match kind {
                "jwt" => key_id(&jwt(&domain.agent, "a")?)? == new,
                _ => {
                    domain.server.log()?.matches("Signed X509 SVID").count() > 1
                        && domain.agent.await_svid("w")?.get("x509_svid") != before.get("x509_svid")
                }
            };
            Ok(is_new.then_some(()))
        })?;
        domain.server.ok(&["localauthority", kind, "revoke", "-authorityID", &old])?;
        learn()?;
    }
    Ok(())
}
