//! A trail that can't be written: nothing is issued or changed, what holds goes on being served, and space brings the rest back.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use steeple_tests_system::golden::Outcome;
use steeple_tests_system::mounts::{fill, small_disk, with_own_mounts};
use steeple_tests_system::pair::Pair;
use steeple_tests_system::rig::TRUST_DOMAIN;

use crate::trail::{AGENT, audited, create, entry_id, folder, has_all, stop};
use crate::verifiers::Question;

#[test]
fn server_whose_trail_is_on_a_full_disk_changes_and_issues_nothing_until_there_is_space() {
    let name = "disk::server_whose_trail_is_on_a_full_disk_changes_and_issues_nothing_until_there_is_space";
    with_own_mounts(name, || {
        let pair = audited()?;
        let trail = folder(&pair);
        fs::create_dir(&trail)?;
        small_disk(&trail, "1m")?;
        let mut server = pair.start_server()?;
        let token = pair.admit(AGENT)?;
        let mut agent = pair.start_agent(AGENT, Some(&token))?;
        let filler = fill(&trail)?;
        let (mut acknowledged, name) = create_until_refused(&pair)?;
        let minted = refused(|_| mint(&pair)).context("an X.509-SVID")?;
        ensure!(minted.stdout.is_empty(), "an X.509-SVID that is in no record: {minted:?}");
        says_why(&pair, &minted.stderr)?;
        let fetch = |audience: &str| pair.workload(AGENT, "api fetch jwt", &["-audience", audience, "-timeout", "5s"]);
        refused(|number| fetch(&format!("somebody{number}"))).context("a JWT-SVID")?;
        for (words, flags) in [
            ("healthcheck", &[][..]),
            ("entry show", &[]),
            ("bundle show", &[]),
            ("agent list", &[]),
            ("entry count", &[]),
        ] {
            let read = pair.server(words, flags)?;
            ensure!(read.exit == 0, "{words} without a trail: {read:?}");
        }
        let shown = pair.server("entry show", &[])?.stdout;
        ensure!(!shown.contains(&format!("/{name}\n")), "{name} was refused and is there:\n{shown}");
        ensure!(pair.fetch(AGENT)?.exit == 0, "the workload is served on");
        Question::of(&trail).passes().context("on the full disk")?;
        fs::remove_file(filler)?;
        acknowledged.push(entry_id(&create(&pair, "again")?).context("with space again")?);
        ensure!(mint(&pair)?.exit == 0, "with space again");
        agent.wait_for(|| Ok(pair.workload(AGENT, "api fetch jwt", &["-audience", "somebody"])?.exit == 0))?;
        ensure!(!server.has_ended()?, "{}", server.log());
        ensure!(server.log().contains("The audit trail can be written again"), "{}", server.log());
        has_all(&trail, "entry_created", &acknowledged)?;
        stop(&mut server)?;
        Question::of(&trail).passes().context("with space again")?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn server_that_cannot_record_its_start_says_so() {
    with_own_mounts("disk::server_that_cannot_record_its_start_says_so", || {
        let pair = audited()?;
        let trail = folder(&pair);
        fs::create_dir(&trail)?;
        small_disk(&trail, "1m")?;
        let mut server = pair.start_server()?;
        let filler = fill(&trail)?;
        create_until_refused(&pair)?;
        // Whether its end fits or not, it ends.
        stop(&mut server)?;
        let last = start_until_refused(&pair)?;
        ensure!(last.contains("audit record could not be written: "), "{last}");
        ensure!(last.contains(&trail.display().to_string()), "{last}");
        ensure!(last.contains("make space there, and it goes on by itself"), "{last}");
        fs::remove_file(filler)?;
        stop(&mut pair.start_server()?)?;
        Question::of(&trail).passes()?;
        Ok(())
    })
    .unwrap();
}

/// Creates entries until one is refused, since the last page of the file takes some more records; yields the IDs of those that
/// were not, and the name of the one that was.
fn create_until_refused(pair: &Pair) -> Result<(Vec<String>, String)> {
    let mut acknowledged = Vec::new();
    for number in 0..300 {
        let name = format!("e{number}");
        let created = create(pair, &name)?;
        match entry_id(&created) {
            Ok(id) => acknowledged.push(id),
            Err(refusal) => {
                says_why(pair, &refusal.to_string())?;
                return Ok((acknowledged, name));
            }
        }
    }
    bail!("300 entries were accepted without a record")
}

/// Asks until it is refused: a short record may find room where a longer one did not.
fn refused(ask: impl Fn(usize) -> Result<Outcome>) -> Result<Outcome> {
    for number in 0..16 {
        let outcome = ask(number)?;
        if outcome.exit != 0 {
            return Ok(outcome);
        }
    }
    bail!("16 times without a record")
}

/// Starts the server until it is refused, since the last page may have room for another start; yields the last line of its log.
fn start_until_refused(pair: &Pair) -> Result<String> {
    for _ in 0..8 {
        let mut server = pair.launch_server()?;
        if server.wait_for(|| Ok(pair.server("healthcheck", &[])?.exit == 0)).is_err() {
            let ended = server.end()?;
            ensure!(!ended.success(), "{ended}\n{}", server.log());
            return Ok(server.log().lines().last().unwrap_or_default().to_owned());
        }
    }
    bail!("8 starts without a record")
}

fn mint(pair: &Pair) -> Result<Outcome> {
    pair.server("x509 mint", &["-spiffeID", &format!("spiffe://{TRUST_DOMAIN}/minted")])
}

/// The error names the trail and the way out.
fn says_why(pair: &Pair, error: &str) -> Result<()> {
    let trail = folder(pair).display().to_string();
    for text in ["audit record could not be written: ", &trail, "make space there, and it goes on by itself"] {
        ensure!(error.contains(text), "no {text:?} in {error}");
    }
    Ok(())
}
