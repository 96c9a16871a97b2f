//! What a server did is in its trail, which is its alone.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use steeple_tests_system::pair::Pair;
use steeple_tests_system::rig::TRUST_DOMAIN;

use crate::trail::{AGENT, audited, block, create, entry_id, event, folder, has_all, lines, refused, serials, stop};
use crate::verifiers::{Question, audit};

#[test]
fn what_a_server_did_is_in_its_trail_and_both_verifiers_say_so() {
    let pair = audited().unwrap();
    let trail = folder(&pair);
    let mut server = pair.start_server().unwrap();
    let done = work(&pair).unwrap();
    for (event, text) in &done {
        has_all(&trail, event, std::slice::from_ref(text)).unwrap();
        let found = audit(&["search", "-directory", trail.to_str().unwrap(), "-event", event, "-contains", text]);
        assert!(found.unwrap().stdout.contains(text), "{event} of {text} is not found");
    }
    Question::of(&trail).passes().unwrap();
    stop(&mut server).unwrap();
    let [ours, other] = Question::of(&trail).passes().unwrap();
    assert!(ours.contains("Without a checkpoint  : 0\n"), "{ours}");
    assert!(other.contains(" 0 records not covered by a checkpoint yet"), "{other}");
    let of_first = lines(&trail).unwrap();
    assert_eq!(event(of_first.first().unwrap()).unwrap(), "server_started");
    assert_eq!(event(of_first.last().unwrap()).unwrap(), "server_stopped");

    let mut server = pair.start_server().unwrap();
    let id = entry_id(&create(&pair, "second").unwrap()).unwrap();
    has_all(&trail, "entry_created", &[id]).unwrap();
    Question::of(&trail).passes().unwrap();
    stop(&mut server).unwrap();
    let [ours, other] = Question::of(&trail).passes().unwrap();
    let of_both = lines(&trail).unwrap();
    assert_eq!(of_both[..of_first.len()], of_first, "what was written stays as it is");
    assert_eq!(event(&of_both[of_first.len()]).unwrap(), "server_started");
    assert!(ours.contains(&format!("Records               : {}\n", of_both.len())), "{ours}");
    assert!(other.contains(&format!("in order: {} records", of_both.len())), "{other}");
}

#[test]
fn join_token_that_nobody_used_yet_is_not_in_the_trail() {
    let pair = audited().unwrap();
    let _server = pair.start_server().unwrap();
    let token = pair.admit(AGENT).unwrap();
    let records = lines(&folder(&pair)).unwrap();
    let told = records.iter().find(|line| line.contains(&token));
    assert!(told.is_none(), "whoever reads it can join: {told:?}");
}

/// A server that is never idle says as often what its trail is as one that is.
#[test]
fn checkpoint_comes_in_time_though_records_keep_coming() {
    let mut pair = Pair::new().unwrap();
    let trail = folder(&pair);
    let settings = "checkpoint_records = 1000000 checkpoint_interval = \"3s\"";
    pair.server_blocks = format!("audit {{ directory = \"{}\" {settings} }}\n", trail.display());
    let mut server = pair.start_server().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let (pair, done) = (&pair, &done);
            scope.spawn(move || {
                for number in (0..).take_while(|_| !done.load(Ordering::Relaxed)) {
                    entry_id(&create(pair, &format!("{name}{number}")).unwrap()).unwrap();
                }
            });
        }
        let came = server.wait_for(|| Ok(fs::exists(trail.join("checkpoints"))?));
        done.store(true, Ordering::Relaxed);
        came.unwrap();
    });
}

#[test]
fn second_server_on_the_same_folder_is_refused_by_name() {
    let pair = audited().unwrap();
    let trail = folder(&pair);
    let server = pair.start_server().unwrap();
    let mut second = Pair::new().unwrap();
    second.server_blocks = block(&trail);
    let log = refused(&second).unwrap();
    let path = trail.display().to_string();
    assert!(log.contains(&path) && log.contains("another server writes this trail"), "{log}");
    assert!(log.contains("give each a folder of its own"), "{log}");
    // The first is not disturbed.
    entry_id(&create(&pair, "undisturbed").unwrap()).unwrap();
    Question::of(&trail).passes().unwrap();
    drop(server);
    pair.start_server().unwrap();
}

#[test]
fn trail_of_another_key_is_refused_by_name() {
    let pair = audited().unwrap();
    let trail = folder(&pair);
    stop(&mut pair.start_server().unwrap()).unwrap();
    let (records, key) = (lines(&trail).unwrap(), fs::read(trail.join("key.pub")).unwrap());
    let mut other = Pair::new().unwrap();
    other.server_blocks = block(&trail);
    let log = refused(&other).unwrap();
    assert!(log.contains(&format!("{} holds a trail of another key", trail.display())), "{log}");
    assert!(log.contains("give this server a folder of its own, or bring back what the trail was begun with"), "{log}");
    assert_eq!((lines(&trail).unwrap(), fs::read(trail.join("key.pub")).unwrap()), (records, key));
    pair.start_server().unwrap();
}

/// Has a server do something of every kind; yields events and what stands in the records of them.
fn work(pair: &Pair) -> Result<Vec<(&'static str, String)>> {
    let token = pair.admit(AGENT)?;
    let _agent = pair.start_agent(AGENT, Some(&token))?;
    let agent_id = format!("spiffe://{TRUST_DOMAIN}/spire/agent/join_token/{token}");
    let workload = format!("spiffe://{TRUST_DOMAIN}/workload/{AGENT}");
    let svids = pair.path("svids");
    fs::create_dir(&svids)?;
    let id = entry_id(&create(pair, "changing")?)?;
    let ours = format!("spiffe://{TRUST_DOMAIN}/changed");
    let parent = format!("spiffe://{TRUST_DOMAIN}/node/nobody");
    let folder = svids.display().to_string();
    let update = ["-entryID", &id, "-spiffeID", &ours, "-parentID", &parent, "-selector", "unix:uid:2"];
    for outcome in [
        pair.workload(AGENT, "api fetch x509", &["-write", &folder])?,
        pair.workload(AGENT, "api fetch jwt", &["-audience", "somebody"])?,
        pair.server("entry update", &update)?,
        pair.server("entry delete", &["-entryID", &id])?,
        pair.server("agent ban", &["-spiffeID", &agent_id])?,
    ] {
        ensure!(outcome.exit == 0, "{outcome:?}");
    }
    let mut done = vec![
        ("entry_created", id.clone()),
        ("entry_updated", id.clone()),
        ("entry_deleted", id),
        ("join_token_created", format!("spiffe://{TRUST_DOMAIN}/node/{AGENT}")),
        ("agent_attested", agent_id.clone()),
        ("agent_banned", agent_id),
        ("jwt_svid_issued", workload.clone()),
        ("x509_svid_issued", workload),
    ];
    let serials = serials(&svids)?;
    ensure!(!serials.is_empty(), "the workload got no X.509-SVID");
    done.extend(serials.into_iter().map(|serial| ("x509_svid_issued", serial)));
    Ok(done)
}
