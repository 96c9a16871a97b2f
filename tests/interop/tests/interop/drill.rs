//! The upgrade drill: Go SPIRE's server and agents are killed while workloads call each other, ours go on with their folders,
//! and the way back. Lifetimes are of seconds, so that authorities and SVIDs are replaced several times by who took over.
//!
//! These cases last longest and wait for the most part; by their names they are among the first to be started.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use steeple_tests_interop::{
    Agent, AgentSettings, GO, Join, Product, Rig, Server, ServerSettings, TRUST_DOMAIN, command, free_port, peer, poll,
    run,
};

use crate::authorities::rotate_x509;
use crate::calls::Calls;
use crate::databases::FOR_GO;
use crate::identities::jwt;

/// Entries of other workloads.
const ENTRIES: usize = 200;
/// Lifetimes of authorities and of X.509-SVIDs, in seconds: two of the one are six of the other.
const CA_TTL: u32 = 108;
const SVID_TTL: u32 = 36;
const OTHER: &str = "other.example";

#[test]
fn server_and_agents_go_over_at_once_and_back() {
    run(GO, &["steeple", "workload", "openssl"], |rig| {
        let mut fleet = Fleet::of_go(rig)?;
        fleet.goes_over(rig, Product::Steeple, Product::Steeple)?;
        fleet.way_back(rig)
    });
}

#[test]
fn server_goes_over_alone() {
    run(GO, &["steeple", "workload", "openssl"], |rig| {
        Fleet::of_go(rig)?.goes_over(rig, Product::Steeple, Product::Go)
    });
}

#[test]
fn agents_go_over_alone() {
    run(GO, &["steeple", "workload", "openssl"], |rig| {
        Fleet::of_go(rig)?.goes_over(rig, Product::Go, Product::Steeple)
    });
}

/// A server with two agents, a workload at each, and what else a SPIRE that has run for a while has.
struct Fleet {
    server: Server,
    agents: [Agent; 2],
    /// From a workload of the first agent to one of the second.
    calls: Calls,
}

/// What a server shows of itself.
struct State {
    /// Of X.509 and of JWT.
    authorities: [Value; 2],
    bundle: Vec<Value>,
    /// Entries, agents, bundles of others and relationships with them.
    records: Vec<Value>,
}

impl State {
    fn of(server: &Server) -> Result<Self> {
        let shown = |words: &[&str]| {
            let mut shown = server.json(words)?;
            as_both_have_it(&mut shown);
            Ok::<_, anyhow::Error>(shown)
        };
        let records = [["entry", "show"], ["agent", "list"], ["bundle", "list"], ["federation", "list"]];
        let mut bundle: Value = serde_json::from_str(&server.ok(&["bundle", "show", "-format", "spiffe"])?)?;
        as_both_have_it(&mut bundle);
        Ok(Self {
            authorities: [shown(&["localauthority", "x509", "show"])?, shown(&["localauthority", "jwt", "show"])?],
            bundle: bundle.get("keys").and_then(Value::as_array).context("a bundle without keys")?.clone(),
            records: records.iter().map(|words| shown(words)).collect::<Result<_>>()?,
        })
    }
}

/// Checks that a server goes on with the state that another has left. Time may have brought authorities one step further.
fn goes_on(after: &State, before: &State) -> Result<()> {
    for (after, before) in after.records.iter().zip(&before.records) {
        ensure!(after == before, "{after}\nis not\n{before}");
    }
    for (after, before) in after.authorities.iter().zip(&before.authorities) {
        let authority = |state: &Value, member: &str| state.get(member)?.get("authority_id").cloned();
        let active = authority(after, "active").context("no active authority")?;
        let known = ["active", "prepared"].map(|member| authority(before, member));
        ensure!(known.contains(&Some(active)), "{after}\ndoes not follow\n{before}");
    }
    for key in &before.bundle {
        ensure!(after.bundle.contains(key), "{key} is not in the bundle any more");
    }
    Ok(())
}

/// Leaves out what only one of the products has, and puts lists in an order. An old authority that was revoked is forgotten
/// by a restart, of Go's server too.
fn as_both_have_it(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(as_both_have_it);
            items.sort_by_key(ToString::to_string);
        }
        Value::Object(members) => {
            for absent in [
                "agent_version",
                "additional_attributes",
                "wit_authorities",
                "next_page_token",
                "sequence_number",
                "old",
            ] {
                members.remove(absent);
            }
            members.values_mut().for_each(as_both_have_it);
            members.sort_keys();
        }
        _ => {}
    }
}

/// The IDs of all agents.
fn ids(server: &Server) -> Result<Vec<String>> {
    let path = |agent: &Value| agent.pointer("/id/path").and_then(Value::as_str).map(str::to_owned);
    let mut ids: Vec<String> = server.agents()?.iter().filter_map(path).collect();
    ids.sort();
    Ok(ids)
}

impl Fleet {
    /// Go SPIRE with two agents, entries, another trust domain, and a rotation of its authorities behind it.
    fn of_go(rig: &Rig) -> Result<Self> {
        let lines = format!(
            "  ca_ttl = \"{CA_TTL}s\"\n  default_x509_svid_ttl = \"{SVID_TTL}s\"\n  agent_ttl = \"{SVID_TTL}s\"\n  \
             ratelimit {{ attestation = false, signing = false }}"
        );
        let server = rig.server(&ServerSettings { lines, ..ServerSettings::default() })?;
        let second = rig.neighbour(TRUST_DOMAIN, GO)?;
        let agent = |rig: &Rig, host: &str| rig.agent(&server, &AgentSettings::new(Join::Token(server.token(host)?)));
        let agents = [agent(rig, "one")?, agent(&second, "two")?];
        for (agent, host) in agents.iter().zip(["one", "two"]) {
            server.entry(&format!("at/{host}"), host, "unix:uid:0", &[])?;
            agent.await_svid(&format!("at/{host}"))?;
        }
        register_others(rig, &server)?;
        federate(rig, &server)?;
        rotate_x509(&server, &agents.each_ref())?;
        // Six certificates of either side are two lifetimes of authorities.
        let calls = Calls::start(rig, "calls", &agents[0], &agents[1], 12)?;
        Ok(Self { server, agents, calls })
    }

    /// Kills what is to be of another product, starts that on the same folders, and lets it live through two lifetimes of
    /// authorities.
    fn goes_over(&mut self, rig: &Rig, server: Product, agents: Product) -> Result<()> {
        let (token, svid) = (jwt(&self.agents[0], "a")?, self.written_svid(rig, "before")?);
        let (attested, before) = (ids(&self.server)?, State::of(&self.server)?);
        if agents != Product::Go {
            self.agents.iter_mut().try_for_each(Agent::kill)?;
        }
        if server != Product::Go {
            self.server.kill()?;
            self.server.become_of(server, rig.folder())?;
            self.server.start()?;
            if agents != Product::Go {
                goes_on(&State::of(&self.server)?, &before).context("before the kill and after")?;
            }
        }
        if agents != Product::Go {
            for agent in &mut self.agents {
                // A token works once, so only the stored identity can bring an agent back.
                agent.forget_token();
                agent.become_of(agents, rig.folder())?;
                agent.start()?;
            }
        }
        self.serves(rig, &token, &svid)?;
        self.lives_on()?;
        self.calls.end()?;
        ensure!(ids(&self.server)? == attested, "an agent has attested again");
        ensure!(self.entries()? == ENTRIES + 4, "{} entries", self.entries()?);
        Ok(())
    }

    /// Go SPIRE goes on with what ours have left.
    fn way_back(&mut self, rig: &Rig) -> Result<()> {
        let (token, svid) = (jwt(&self.agents[0], "a")?, self.written_svid(rig, "after")?);
        let attested = ids(&self.server)?;
        for agent in &mut self.agents {
            agent.stop()?;
        }
        let before = State::of(&self.server)?;
        self.server.stop()?;
        let database = rusqlite::Connection::open(rig.folder().join("server/datastore.sqlite3"))?;
        database.execute(FOR_GO, [])?;
        drop(database);
        self.server.become_of(Product::Go, rig.folder())?;
        self.server.start()?;
        goes_on(&State::of(&self.server)?, &before).context("Go's server and ours")?;
        for agent in &mut self.agents {
            agent.become_of(Product::Go, rig.folder())?;
            agent.start()?;
        }
        self.serves(rig, &token, &svid)?;
        ensure!(ids(&self.server)? == attested, "an agent has attested again");
        Ok(())
    }

    /// Tokens and SVIDs from before hold, beside those of now.
    fn serves(&self, rig: &Rig, token: &str, svid: &[PathBuf; 2]) -> Result<()> {
        for (agent, host) in self.agents.iter().zip(["one", "two"]) {
            agent.await_svid(&format!("at/{host}"))?;
        }
        let token_of_now = jwt(&self.agents[1], "a")?;
        for (agent, token) in [(&self.agents[1], token), (&self.agents[0], &token_of_now)] {
            let valid = agent.cli(&["api", "validate", "jwt", "-audience", "a", "-svid", token])?;
            ensure!(valid.exit == 0, "{valid}");
        }
        let [_, bundle] = self.written_svid(rig, "now")?;
        let [now, _] = self.written_svid(rig, "now")?;
        for svid in [&svid[0], &now] {
            let mut openssl = Command::new(peer::path("openssl")?);
            openssl.args(["verify", "-x509_strict", "-CAfile"]).arg(&bundle).arg("-untrusted").arg(svid).arg(svid);
            let said = command::stdout(&mut openssl)?;
            ensure!(said.trim_end().ends_with(": OK"), "{said}");
        }
        Ok(())
    }

    /// The first agent's SVID and bundle, in files.
    fn written_svid(&self, rig: &Rig, name: &str) -> Result<[PathBuf; 2]> {
        let folder = rig.folder().join(name);
        std::fs::create_dir_all(&folder)?;
        let fetched = self.agents[0].cli(&["api", "fetch", "x509", "-write", &folder.display().to_string()])?;
        ensure!(fetched.exit == 0, "{fetched}");
        Ok(["svid.0.pem", "bundle.0.pem"].map(|file| folder.join(file)))
    }

    /// Waits until the server has gone over to another X.509 authority twice, and both kinds of SVIDs are there all the time.
    fn lives_on(&mut self) -> Result<()> {
        let active = |server: &Server| {
            let states = server.json(&["localauthority", "x509", "show"])?;
            let id = states.pointer("/active/authority_id").and_then(Value::as_str);
            Ok::<_, anyhow::Error>(id.context("no active authority")?.to_owned())
        };
        let mut known = active(&self.server)?;
        for round in ["a first authority", "a second authority"] {
            // An authority is followed by the next one when a sixth of its life is left, which is asked every ten seconds.
            known = poll::until_within(2 * poll::PATIENCE, round, || {
                self.calls.go_on()?;
                Ok(Some(active(&self.server)?).filter(|now| *now != known))
            })?;
            for (agent, host) in self.agents.iter().zip(["one", "two"]) {
                ensure!(!agent.x509_svids()?.is_empty(), "the agent {host} has no SVID");
                jwt(agent, round)?;
            }
        }
        Ok(())
    }

    fn entries(&self) -> Result<usize> {
        let shown = self.server.json(&["entry", "show"])?;
        Ok(shown.get("entries").and_then(Value::as_array).map_or(0, Vec::len))
    }
}

/// Entries that no workload here has.
fn register_others(rig: &Rig, server: &Server) -> Result<()> {
    let entry = |number: usize| {
        json!({
            "selectors": [{"type": "unix", "value": format!("uid:{}", 60_000 + number)}],
            "spiffe_id": server.id_of(&format!("other/{number}")),
            "parent_id": server.id_of(if number.is_multiple_of(2) { "one" } else { "two" }),
            "x509_svid_ttl": 300, "dns_names": [format!("w{number}.example")], "hint": format!("h{number}"),
        })
    };
    let file = rig.folder().join("entries.json");
    std::fs::write(&file, json!({"entries": (0..ENTRIES).map(entry).collect::<Vec<_>>()}).to_string())?;
    server.ok(&["entry", "create", "-data", &file.display().to_string()]).map(drop)
}

/// A relationship with another trust domain, whose bundle is there.
fn federate(rig: &Rig, server: &Server) -> Result<()> {
    let bundle = rig.folder().join("other.pem");
    // What a bundle says of itself is nothing but its keys.
    std::fs::write(&bundle, server.ok(&["bundle", "show", "-format", "spiffe"])?)?;
    let (id, bundle) = (format!("spiffe://{OTHER}"), bundle.display().to_string());
    server.ok(&["bundle", "set", "-id", &id, "-format", "spiffe", "-path", &bundle])?;
    let url = format!("https://127.0.0.1:{}/bundle", free_port()?);
    let profile = ["-bundleEndpointURL", &url, "-bundleEndpointProfile", "https_web"];
    server.ok(&[&["federation", "create", "-trustDomain", OTHER][..], &profile].concat()).map(drop)
}
