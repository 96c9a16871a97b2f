//! `kill -9` of server and agents at random moments under load: what was acknowledged is there, nothing is corrupt, all come
//! back by themselves.
//!
//! `STEEPLE_KILL_ROUNDS` sets the rounds (5), `STEEPLE_KILL_SEED` repeats a run.
#![expect(clippy::disallowed_methods, reason = "whole programs are tested on the machine's clock")]

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use steeple_tests_system::pair::{Pair, Program};
use steeple_tests_system::rig::{TRUST_DOMAIN, uid};

const RESIDENT: &str = "resident";

/// What the server said yes to.
#[derive(Default)]
struct Acknowledged {
    tokens: Vec<String>,
    entries: Vec<String>,
    bundles: Vec<String>,
    bans: Vec<String>,
}

/// Splitmix64: no secrets here, but the same run for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// What a drill works on.
struct Drill {
    pair: Pair,
    server: Program,
    resident: Program,
    acknowledged: Mutex<Acknowledged>,
    /// Guests that joined and are not banned yet, by their SPIFFE ID.
    guests: Vec<String>,
    bundle: String,
    /// Guests whose token was used up by a server that died before its answer.
    new_tokens: u32,
}

#[test]
fn killed_server_and_agents_lose_nothing_and_come_back() {
    let rounds = number("STEEPLE_KILL_ROUNDS").unwrap_or(5);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seed = number("STEEPLE_KILL_SEED").unwrap_or(now);
    println!("kill drill: {rounds} rounds, seed {seed}");
    let mut random = Random(seed);
    let mut drill = Drill::begin().unwrap();
    for round in 0..rounds {
        drill.round(round, &mut random).with_context(|| format!("round {round} of seed {seed}")).unwrap();
    }
    drill.close().with_context(|| format!("after the rounds of seed {seed}")).unwrap();
}

/// The state that a kill leaves between the use of a token and the writing of what it gave.
#[test]
fn agent_killed_before_it_kept_its_svid_comes_back_with_its_token() {
    let pair = Pair::new().unwrap();
    let _server = pair.start_server().unwrap();
    let token = pair.admit(RESIDENT).unwrap();
    let mut agent = pair.start_agent(RESIDENT, Some(&token)).unwrap();
    agent.kill().unwrap();
    std::fs::remove_file(pair.agent_data(RESIDENT).join("agent-data.json")).unwrap();
    let mut agent = pair.start_agent(RESIDENT, Some(&token)).unwrap();
    agent.kill().unwrap();
    // Kept now: it needs no token.
    pair.start_agent(RESIDENT, None).unwrap();
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

impl Drill {
    fn begin() -> Result<Self> {
        let mut pair = Pair::new()?;
        // Agents renew within a drill of fifty rounds, and are never away for as long as their SVIDs hold.
        "agent_ttl = \"2m\"\n  default_x509_svid_ttl = \"1m\"".clone_into(&mut pair.server_lines);
        let server = pair.start_server()?;
        let token = pair.admit(RESIDENT)?;
        let resident = pair.start_agent(RESIDENT, Some(&token))?;
        let bundle = pair.server("bundle show", &["-format", "spiffe"])?.stdout;
        std::fs::write(pair.path("bundle.json"), &bundle)?;
        let acknowledged = Mutex::new(Acknowledged::default());
        Ok(Self { pair, server, resident, acknowledged, guests: Vec::new(), bundle, new_tokens: 0 })
    }

    fn round(&mut self, round: u64, random: &mut Random) -> Result<()> {
        let name = format!("guest-{round}");
        let token = self.pair.admit(&name)?;
        let banned = self.guests.pop();
        let guest = self.pair.launch_agent(&name, Some(&token))?;
        let (pause, victims) = (Duration::from_millis(random.below(1200)), 1 + random.below(7));
        let is_hit = |place: u64| victims & (1 << place) != 0;
        let guest = self.under_load(round, banned.as_deref(), guest, |drill, mut guest| {
            sleep(pause);
            for (place, program) in [&mut drill.server, &mut drill.resident, &mut guest].into_iter().enumerate() {
                if is_hit(place as u64) {
                    program.kill()?;
                }
            }
            Ok(guest)
        })?;
        if is_hit(0) {
            if !is_hit(1) {
                ensure!(self.pair.fetch(RESIDENT)?.exit == 0, "the agent serves nothing without its server");
            }
            self.server = self.pair.start_server().context("server did not come back")?;
        }
        if is_hit(1) {
            // It has no token, so it can't attest again: what it remembers must do.
            self.resident = self.pair.start_agent(RESIDENT, None).context("agent did not come back")?;
        }
        self.bring_back(&name, &token, guest)?;
        let id = format!("spiffe://{TRUST_DOMAIN}/spire/agent/join_token/{token}");
        if self.pair.server("agent show", &["-spiffeID", &id])?.exit == 0 {
            self.guests.push(id);
        }
        self.check()
    }

    /// A guest was killed before, during or after its attestation, or its server was: it ends up in the trust domain.
    ///
    /// A server that died between the use of a token and its answer doesn't know any more with which key it was used. Then
    /// the agent says so, and a new token brings it in.
    fn bring_back(&mut self, name: &str, token: &str, mut guest: Program) -> Result<()> {
        guest.kill()?;
        let mut guest = self.pair.launch_agent(name, Some(token))?;
        let (pair, log) = (&self.pair, guest.log_path());
        let mut is_used = false;
        guest.wait_for(|| {
            is_used = std::fs::read_to_string(&log)?.contains("join token does not exist or has already been used");
            Ok(is_used || pair.fetch(name)?.exit == 0)
        })?;
        if is_used {
            guest.kill()?;
            let token = self.pair.admit(name)?;
            self.pair.start_agent(name, Some(&token)).with_context(|| format!("{name} did not come back"))?;
            self.new_tokens += 1;
        }
        Ok(())
    }

    /// Runs `work` while others write to the server and ask the resident agent.
    fn under_load<T: Send>(
        &mut self,
        round: u64,
        banned: Option<&str>,
        guest: Program,
        work: impl FnOnce(&mut Programs<'_>, Program) -> Result<T>,
    ) -> Result<T> {
        let Self { pair, server, resident, acknowledged, .. } = self;
        let (pair, acknowledged, stop) = (&*pair, &*acknowledged, &AtomicBool::new(false));
        std::thread::scope(|scope| {
            let until_stop = move |step: &dyn Fn(u64) -> Result<()>| -> Result<()> {
                (0..).take_while(|_| !stop.load(Ordering::Relaxed)).try_for_each(step)
            };
            let loads = [
                scope.spawn(move || until_stop(&|_| make_token(pair, acknowledged))),
                scope.spawn(move || until_stop(&|step| make_entry(pair, acknowledged, round, step))),
                scope.spawn(move || {
                    banned.map_or(Ok(()), |id| ban(pair, acknowledged, id))?;
                    until_stop(&|step| set_bundle(pair, acknowledged, round, step))
                }),
                scope.spawn(move || until_stop(&|_| pair.fetch(RESIDENT).map(drop))),
            ];
            let outcome = work(&mut Programs { server, resident }, guest);
            stop.store(true, Ordering::Relaxed);
            for load in loads {
                load.join().map_err(|_| anyhow::anyhow!("a load panicked"))??;
            }
            outcome
        })
    }

    /// All that was acknowledged is in the database, and no file is damaged.
    fn check(&self) -> Result<()> {
        let database = rusqlite::Connection::open(self.pair.database())?;
        let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        ensure!(sound == "ok", "integrity check: {sound}");
        let acknowledged = self.acknowledged.lock().map_err(|_| anyhow::anyhow!("a load panicked"))?;
        for (what, query, keys) in [
            ("token", "SELECT COUNT(*) FROM join_tokens WHERE token = ?", &acknowledged.tokens),
            ("entry", "SELECT COUNT(*) FROM registered_entries WHERE entry_id = ?", &acknowledged.entries),
            ("bundle", "SELECT COUNT(*) FROM bundles WHERE trust_domain = ?", &acknowledged.bundles),
            (
                "ban",
                "SELECT COUNT(*) FROM attested_node_entries WHERE spiffe_id = ? AND serial_number = ''",
                &acknowledged.bans,
            ),
        ] {
            let mut query = database.prepare(query)?;
            for key in keys {
                let found: i64 = query.query_row([key], |row| row.get(0))?;
                ensure!(found == 1, "{what} {key} was acknowledged and is lost");
            }
        }
        is_json(&self.pair.server_keys)?;
        is_json(&self.pair.agent_data(RESIDENT).join("agent-data.json"))?;
        is_json(&self.pair.agent_data(RESIDENT).join("keys.json"))?;
        let bundle = self.pair.server("bundle show", &["-format", "spiffe"])?.stdout;
        ensure!(bundle == self.bundle, "the authorities changed: {bundle}");
        Ok(())
    }

    /// The survivors still work together: a new identity reaches the workload.
    fn close(mut self) -> Result<()> {
        let id = format!("spiffe://{TRUST_DOMAIN}/after");
        let selector = format!("unix:uid:{}", uid());
        let parent = format!("spiffe://{TRUST_DOMAIN}/node/{RESIDENT}");
        let created =
            self.pair.server("entry create", &["-parentID", &parent, "-spiffeID", &id, "-selector", &selector])?;
        ensure!(created.exit == 0, "{created:?}");
        let pair = &self.pair;
        self.resident.wait_for(|| Ok(pair.fetch(RESIDENT)?.stdout.contains(&id)))?;
        let acknowledged = self.acknowledged.lock().map_err(|_| anyhow::anyhow!("a load panicked"))?;
        let Acknowledged { tokens, entries, bundles, bans } = &*acknowledged;
        println!(
            "kill drill: nothing lost of {} tokens, {} entries, {} bundles, {} bans; {} new tokens",
            tokens.len(),
            entries.len(),
            bundles.len(),
            bans.len(),
            self.new_tokens
        );
        Ok(())
    }
}

/// The programs that a round may kill, besides its guest.
struct Programs<'a> {
    server: &'a mut Program,
    resident: &'a mut Program,
}

type Notes = Mutex<Acknowledged>;

fn note(notes: &Notes, add: impl FnOnce(&mut Acknowledged)) -> Result<()> {
    add(&mut *notes.lock().map_err(|_| anyhow::anyhow!("a load panicked"))?);
    Ok(())
}

fn make_token(pair: &Pair, notes: &Notes) -> Result<()> {
    match pair.token(&["-ttl", "86400"]) {
        Ok(token) => note(notes, |notes| notes.tokens.push(token)),
        Err(_not_acknowledged) => Ok(()),
    }
}

fn make_entry(pair: &Pair, notes: &Notes, round: u64, step: u64) -> Result<()> {
    let parent = format!("spiffe://{TRUST_DOMAIN}/node/nobody");
    let id = format!("spiffe://{TRUST_DOMAIN}/load/{round}/{step}");
    let flags = ["-parentID", &parent, "-spiffeID", &id, "-selector", "unix:uid:1", "-output", "json"];
    let outcome = pair.server("entry create", &flags)?;
    if outcome.exit != 0 {
        return Ok(());
    }
    let answer: Value = serde_json::from_str(&outcome.stdout)?;
    let id = answer.pointer("/results/0/entry/id").and_then(Value::as_str).context("no entry in the answer")?;
    note(notes, |notes| notes.entries.push(id.to_owned()))
}

fn set_bundle(pair: &Pair, notes: &Notes, round: u64, step: u64) -> Result<()> {
    let id = format!("spiffe://other-{round}-{step}.example");
    let file = pair.path("bundle.json").display().to_string();
    let outcome = pair.server("bundle set", &["-id", &id, "-format", "spiffe", "-path", &file])?;
    if outcome.exit == 0 { note(notes, |notes| notes.bundles.push(id)) } else { Ok(()) }
}

fn ban(pair: &Pair, notes: &Notes, id: &str) -> Result<()> {
    let outcome = pair.server("agent ban", &["-spiffeID", id])?;
    if outcome.exit == 0 { note(notes, |notes| notes.bans.push(id.to_owned())) } else { Ok(()) }
}

fn is_json(path: &Path) -> Result<()> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(Value::Object(_)) => Ok(()),
        other => bail!("{} is damaged: {other:?}", path.display()),
    }
}
