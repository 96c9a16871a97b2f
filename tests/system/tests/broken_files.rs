//! Files that are damaged or of a newer version: the error names the file and the way out, and nothing is overwritten.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use steeple_tests_system::pair::Pair;

const AGENT: &str = "agent";

/// A pair that ran once and stopped.
fn stopped() -> Result<Pair> {
    let pair = Pair::new()?;
    let mut server = pair.start_server()?;
    let token = pair.admit(AGENT)?;
    let mut agent = pair.start_agent(AGENT, Some(&token))?;
    for program in [&mut agent, &mut server] {
        program.terminate()?;
        ensure!(program.end()?.success(), "{}", program.log());
    }
    Ok(pair)
}

/// Puts `content` in place of a file and starts its program, which ends with all of `texts` and leaves the file alone.
fn refuses(pair: &Pair, path: &PathBuf, content: &[u8], texts: &[&str]) -> Result<()> {
    let good = fs::read(path)?;
    fs::write(path, content)?;
    let is_server = path.starts_with(&pair.server_data);
    let mut program = if is_server { pair.launch_server()? } else { pair.launch_agent(AGENT, None)? };
    let ended = program.end().with_context(|| format!("{} damaged", path.display()))?;
    let log = program.log();
    ensure!(!ended.success() && !log.contains("panicked"), "{log}");
    let last = log.lines().last().unwrap_or_default();
    println!("{}\t{last}", path.file_name().unwrap_or_default().display());
    let name = path.display().to_string();
    for text in texts.iter().copied().chain([name.as_str()]) {
        ensure!(last.contains(text), "no {text:?} in {last:?}");
    }
    ensure!(fs::read(path)? == content, "{name} was overwritten");
    fs::write(path, good)?;
    Ok(())
}

#[test]
fn damaged_files_are_named_with_the_way_out_and_left_alone() {
    let pair = stopped().unwrap();
    let keys = pair.server_keys.clone();
    let way_out = &["restore it from a backup"][..];
    for content in [&b"{"[..], b"", b"{\"keys\":{\"x509-CA-A\":\"AAAA\"}}", b"[]"] {
        refuses(&pair, &keys, content, way_out).unwrap();
        refuses(&pair, &pair.agent_data(AGENT).join("keys.json"), content, way_out).unwrap();
    }
    let data = pair.agent_data(AGENT).join("agent-data.json");
    for content in [&b"{"[..], b"", b"{\"svid\":[\"AAAA\"],\"bundle\":7}", b"{\"svid\":[\"*\"]}"] {
        refuses(&pair, &data, content, &["move it away"]).unwrap();
    }
    let database = pair.database();
    let mut torn = fs::read(&database).unwrap();
    let end = torn.len();
    torn[end / 8..].fill(0xa5);
    for content in [
        &b"no database at all, but long enough to have a header of one hundred bytes or more, whatever they are"
            .repeat(9)[..],
        &torn,
    ] {
        refuses(&pair, &database, content, way_out).unwrap();
    }
    let _server = pair.start_server().unwrap();
    pair.start_agent(AGENT, None).unwrap();
}

#[test]
fn database_of_a_newer_schema_is_refused_and_left_alone() {
    let pair = stopped().unwrap();
    let newer = pair.path("newer.sqlite3");
    fs::copy(pair.database(), &newer).unwrap();
    let connection = rusqlite::Connection::open(&newer).unwrap();
    // That of the next SPIRE is taken, as SPIRE takes it: its servers are replaced one after the other.
    connection.execute("UPDATE migrations SET version = 99, code_version = '1.17.0'", []).unwrap();
    connection.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(())).unwrap();
    connection.close().unwrap();
    let newer = fs::read(newer).unwrap();
    refuses(&pair, &pair.database(), &newer, &["schema 99 of SPIRE 1.17.0", "use a newer version"]).unwrap();
    pair.start_server().unwrap();
}

#[test]
fn keys_that_are_gone_are_made_anew_and_the_agent_says_what_it_needs() {
    let pair = stopped().unwrap();
    fs::remove_file(pair.agent_data(AGENT).join("keys.json")).unwrap();
    let _server = pair.start_server().unwrap();
    let mut agent = pair.launch_agent(AGENT, None).unwrap();
    let log = agent.log_path();
    agent.wait_for(|| Ok(fs::read_to_string(&log)?.contains("join token was not provided"))).unwrap();
    agent.kill().unwrap();
    let token = pair.admit(AGENT).unwrap();
    pair.start_agent(AGENT, Some(&token)).unwrap();
}

#[test]
fn server_that_is_asked_to_stop_under_load_drains() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let pair = Pair::new().unwrap();
    let mut server = pair.start_server().unwrap();
    let done = AtomicBool::new(false);
    let acknowledged: Vec<String> = std::thread::scope(|scope| {
        let load = || {
            let mut tokens = Vec::new();
            while !done.load(Ordering::Relaxed) {
                tokens.extend(pair.token(&["-ttl", "86400"]).ok());
            }
            tokens
        };
        let loads = [scope.spawn(load), scope.spawn(load), scope.spawn(load)];
        server.wait_for(|| Ok(tokens_in(&pair)? > 20)).unwrap();
        server.terminate().unwrap();
        let ended = server.end().unwrap();
        done.store(true, Ordering::Relaxed);
        assert!(ended.success(), "{}", server.log());
        loads.into_iter().flat_map(|load| load.join().unwrap()).collect()
    });
    assert!(server.log().contains("Server stopped gracefully"), "{}", server.log());
    let database = rusqlite::Connection::open(pair.database()).unwrap();
    let mut known = database.prepare("SELECT COUNT(*) FROM join_tokens WHERE token = ?").unwrap();
    for token in acknowledged {
        let found: i64 = known.query_row([&token], |row| row.get(0)).unwrap();
        assert_eq!(found, 1, "{token} was acknowledged and is lost");
    }
}

fn tokens_in(pair: &Pair) -> Result<i64> {
    let database = rusqlite::Connection::open(pair.database())?;
    Ok(database.query_row("SELECT COUNT(*) FROM join_tokens", [], |row| row.get(0))?)
}
