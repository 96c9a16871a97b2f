//! What was acknowledged is there after the process was killed.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use steeple_clock::Clock;
use steeple_store::units::CreateJoinToken;
use steeple_store::{Backend, JoinToken, Unit};
use steeple_store_sql::{SqlBackend, SqlConfig};

const DATABASE: &str = "STEEPLE_TEST_DATABASE";

fn open(path: &Path) -> SqlBackend {
    SqlBackend::open(&SqlConfig::sqlite(path.to_str().unwrap()), Clock::system()).unwrap()
}

/// Not a test by itself: the process that is killed. Writes tokens for ever and tells of each that was acknowledged.
#[test]
fn writer() {
    let Some(path) = std::env::var_os(DATABASE) else { return };
    let backend = open(Path::new(&path));
    let mut output = std::io::stderr().lock();
    for number in 0.. {
        let token = JoinToken { token: format!("t{}-{number}", std::process::id()), expires_at: Timestamp::UNIX_EPOCH };
        let unit = CreateJoinToken { token, entry: None };
        backend.write(&mut |tx| unit.run(tx)).unwrap();
        writeln!(output, "{}", unit.token.token).unwrap();
    }
}

#[test]
fn killed_writer_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite3");
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--nocapture"])
            .env(DATABASE, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stderr.take().unwrap()).lines();
        acknowledged.extend(lines.by_ref().take(20 + round * 7).map(Result::unwrap));
        writer.kill().unwrap();
        writer.wait().unwrap();
        // What it told of between the last line read and its death counts too.
        acknowledged.extend(lines.map_while(Result::ok));
        let backend = open(&path);
        let check = &mut |tx: &mut dyn steeple_store::ReadTx| {
            for token in &acknowledged {
                assert!(tx.join_token(token)?.is_some(), "{token} is lost");
            }
            Ok(())
        };
        backend.read(check).unwrap();
    }
    assert!(acknowledged.len() >= 170);
    let connection = rusqlite::Connection::open(&path).unwrap();
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}
