//! `kill -9` of a server that creates and issues: what anybody got is in its trail.
//!
//! `STEEPLE_KILL_ROUNDS` sets the rounds (5).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use steeple_tests_system::pair::{Pair, Program};
use steeple_tests_system::rig::{TRUST_DOMAIN, uid};

use crate::trail::{AGENT, audited, create, create_below, entry_id, folder, has_all, serials, stop};
use crate::verifiers::Question;

/// Most SVIDs that the workload gets anew in a round.
const SVIDS: u64 = 4;

/// What the server said yes to, and the serial numbers of what it handed out.
#[derive(Default)]
struct Acknowledged {
    entries: Vec<String>,
    serials: Vec<String>,
}

type Notes = Mutex<Acknowledged>;

/// What a drill works on.
struct Drill {
    pair: Pair,
    acknowledged: Notes,
}

#[test]
fn what_a_killed_server_acknowledged_or_handed_out_is_in_its_trail() {
    let rounds = std::env::var("STEEPLE_KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let mut pair = audited().unwrap();
    // Segments end within a drill, and the agent asks for new SVIDs within a round.
    pair.server_blocks = pair.server_blocks.replace("checkpoint_records = 4", "max_segment_size = 40000");
    "default_x509_svid_ttl = \"1m\"".clone_into(&mut pair.server_lines);
    "experimental { sync_interval = \"200ms\" }".clone_into(&mut pair.agent_lines);
    let mut server = pair.start_server().unwrap();
    let token = pair.admit(AGENT).unwrap();
    let _agent = pair.start_agent(AGENT, Some(&token)).unwrap();
    let drill = Drill { pair, acknowledged: Notes::default() };
    for round in 0..rounds {
        server = drill.round(round, server).with_context(|| format!("round {round}")).unwrap();
    }
    drill.close(server).unwrap();
}

impl Drill {
    /// Kills the server under load, looks at its trail, and starts another on it.
    fn round(&self, round: u64, mut server: Program) -> Result<Program> {
        // As many moments as there are rounds; what the loads are at then is up to chance.
        let pause = Duration::from_millis(200 + round * 389 % 1_500);
        self.under_load(round, || {
            sleep(pause);
            server.kill()
        })?;
        self.check().context("the trail of the killed server")?;
        let mut server = self.pair.start_server().context("the server did not come back")?;
        server.wait_for(|| Ok(self.pair.fetch(AGENT)?.exit == 0)).context("the workload is not served again")?;
        Ok(server)
    }

    /// Runs `work` while others create entries, mint SVIDs, and ask the agent for the workload's.
    fn under_load(&self, round: u64, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let stop = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            let until_stop = move |step: &dyn Fn(u64) -> Result<()>| -> Result<()> {
                (0..).take_while(|_| !stop.load(Ordering::Relaxed)).try_for_each(step)
            };
            let loads = [
                scope.spawn(move || until_stop(&|step| self.make_entry(round, step))),
                scope.spawn(move || until_stop(&|step| self.mint(round, step))),
                scope.spawn(move || until_stop(&|step| self.fetch(round, step))),
            ];
            let outcome = work();
            stop.store(true, Ordering::Relaxed);
            for load in loads {
                load.join().map_err(|_| anyhow::anyhow!("a load panicked"))??;
            }
            outcome
        })
    }

    /// Some entries are the workload's, so that the agent asks for an SVID.
    fn make_entry(&self, round: u64, step: u64) -> Result<()> {
        let name = format!("load/{round}/{step}");
        let created = if step < SVIDS {
            let node = format!("spiffe://{TRUST_DOMAIN}/node/{AGENT}");
            create_below(&self.pair, &node, &name, &format!("unix:uid:{}", uid()))?
        } else {
            create(&self.pair, &name)?
        };
        match entry_id(&created) {
            Ok(id) => self.note(|notes| notes.entries.push(id)),
            Err(_not_acknowledged) => Ok(()),
        }
    }

    fn mint(&self, round: u64, step: u64) -> Result<()> {
        let folder = self.folder(&format!("minted-{round}-{step}"))?;
        let id = format!("spiffe://{TRUST_DOMAIN}/minted");
        let minted = self.pair.server("x509 mint", &["-spiffeID", &id, "-write", &folder.display().to_string()])?;
        if minted.exit == 0 { self.note_serials(&folder) } else { Ok(()) }
    }

    /// An agent that has not all SVIDs of a workload yet lets it wait, as SPIRE's does, so not each fetch ends well.
    fn fetch(&self, round: u64, step: u64) -> Result<()> {
        let folder = self.folder(&format!("fetched-{round}-{step}"))?;
        let flags = ["-timeout", "2s", "-write", &folder.display().to_string()];
        let fetched = self.pair.workload(AGENT, "api fetch x509", &flags)?;
        if fetched.exit == 0 { self.note_serials(&folder) } else { Ok(()) }
    }

    fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.pair.path(name);
        fs::create_dir(&path)?;
        Ok(path)
    }

    fn note_serials(&self, folder: &Path) -> Result<()> {
        let serials = serials(folder)?;
        ensure!(!serials.is_empty(), "nothing is in {}", folder.display());
        self.note(|notes| notes.serials.extend(serials))
    }

    fn note(&self, add: impl FnOnce(&mut Acknowledged)) -> Result<()> {
        add(&mut *self.acknowledged.lock().map_err(|_| anyhow::anyhow!("a load panicked"))?);
        Ok(())
    }

    /// All that anybody got is in the trail, which is in order.
    fn check(&self) -> Result<()> {
        let trail = folder(&self.pair);
        Question::of(&trail).passes()?;
        let mut acknowledged = self.acknowledged.lock().map_err(|_| anyhow::anyhow!("a load panicked"))?;
        acknowledged.serials.sort();
        acknowledged.serials.dedup();
        has_all(&trail, "entry_created", &acknowledged.entries)?;
        has_all(&trail, "x509_svid_issued", &acknowledged.serials)
    }

    fn close(self, mut server: Program) -> Result<()> {
        stop(&mut server)?;
        self.check()?;
        let acknowledged = self.acknowledged.lock().map_err(|_| anyhow::anyhow!("a load panicked"))?;
        let (entries, serials) = (acknowledged.entries.len(), acknowledged.serials.len());
        ensure!(entries > 0 && serials > 0, "nothing was asked for in time");
        println!("audit kill drill: {entries} entries and {serials} serial numbers, all in the trail");
        Ok(())
    }
}
