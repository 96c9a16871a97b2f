//! Events of SPIRE servers whose transactions run side by side, with the IDs that the database hands out: whatever the order in
//! which they commit, each is imported once.

use std::collections::BTreeSet;
use std::time::Duration;

use steeple_store::units::ImportEvents;
use steeple_store::{Backend, Change, EventFollower, ReadTx, StoreError, Unit};
use steeple_store_sql::SqlBackend;
use steeple_tests_databases::Session;
use steeple_types::{EntryId, Revision};

use crate::{Server, on_servers};

on_servers! {
    later_transactions_may_commit_first,
    every_order_of_commits_is_followed,
    log_without_events_gets_them,
}

const TIMEOUT: Duration = Duration::from_mins(15);
/// Transactions at a time, and steps of all together.
const WRITERS: usize = 4;
const STEPS: usize = 120;

fn read<T>(backend: &SqlBackend, query: impl Fn(&mut dyn ReadTx) -> Result<T, StoreError>) -> T {
    let mut output = None;
    backend
        .read(&mut |tx| {
            output = Some(query(tx)?);
            Ok(())
        })
        .unwrap();
    output.unwrap()
}

/// A server that follows events.
struct Follower {
    backend: SqlBackend,
    events: EventFollower,
    position: Revision,
}

impl Follower {
    fn start(server: Server, database: &str) -> Self {
        let backend = server.open(database).unwrap();
        let begin = |tx: &mut dyn ReadTx| Ok((EventFollower::begin(tx, TIMEOUT, Duration::ZERO)?, tx.last_revision()?));
        let (events, position) = read(&backend, begin);
        Self { backend, events, position }
    }

    /// Looks at the time `seconds`; yields the entries whose changes have come to the log, each with whether it is there.
    fn look(&mut self, seconds: u64) -> Vec<(String, bool)> {
        let now = Duration::from_secs(seconds);
        let question = self.events.question(now);
        let found = read(&self.backend, |tx| question.clone().ask(tx));
        let import = ImportEvents { events: found.not_logged() };
        self.backend.write(&mut |tx| import.run(tx).map(drop)).unwrap();
        assert!(!self.events.take(&found, now));
        let after = self.position;
        let look_up =
            |tx: &mut dyn ReadTx, change: &Change| Ok(tx.entry(&EntryId::parse(&change.key).unwrap())?.is_some());
        let changes = read(&self.backend, |tx| {
            let changes = tx.changes_after(after, 1_000)?;
            let found: Result<Vec<_>, StoreError> =
                changes.iter().map(|change| Ok((change.key.clone(), look_up(tx, change)?))).collect();
            Ok((changes.last().map_or(after, |last| last.revision), found?))
        });
        self.position = changes.0;
        changes.1
    }
}

/// The statements by which a SPIRE server makes an entry, and tells of it.
fn make(name: &str) -> String {
    let path = format!("spiffe://example.org/{name}");
    format!(
        "INSERT INTO registered_entries (created_at, updated_at, entry_id, spiffe_id, parent_id, ttl, admin, downstream, \
         expiry, revision_number, store_svid, hint, jwt_svid_ttl) VALUES ('2023-11-14 22:13:20', '2023-11-14 22:13:20', \
         '{name}', '{path}', 'spiffe://example.org/parent', 0, false, false, 0, 0, false, '', 0); \
         INSERT INTO registered_entries_events (created_at, updated_at, entry_id) \
         VALUES ('2023-11-14 22:13:20', '2023-11-14 22:13:20', '{name}')"
    )
}

fn begin(session: &mut Session, name: &str) {
    session.run(&format!("BEGIN; {}", make(name))).unwrap();
}

fn there(names: &[&str]) -> Vec<(String, bool)> {
    names.iter().map(|name| ((*name).to_owned(), true)).collect()
}

fn later_transactions_may_commit_first(server: Server) {
    let database = server.create_database();
    let mut follower = Follower::start(server, &database);
    let [mut first, mut second, mut third] = [(); 3].map(|()| server.session(&database));
    begin(&mut first, "first");
    begin(&mut second, "second");
    begin(&mut third, "third");
    assert_eq!(follower.look(0), there(&[]));
    third.run("COMMIT").unwrap();
    assert_eq!(follower.look(1), there(&["third"]));
    second.run("ROLLBACK").unwrap();
    assert_eq!(follower.look(2), there(&[]));
    // One that starts now does not know how old what is missing is.
    let mut late = Follower::start(server, &database);
    first.run("COMMIT").unwrap();
    assert_eq!(late.look(3), there(&["first"]));
    assert_eq!(follower.look(3), there(&["first"]));
    assert_eq!(follower.look(4), there(&[]));
}

/// Writers begin, commit and roll back in an order that a fixed seed draws.
fn every_order_of_commits_is_followed(server: Server) {
    let database = server.create_database();
    let mut follower = Follower::start(server, &database);
    let mut writers: Vec<(Session, Option<String>)> = (0..WRITERS).map(|_| (server.session(&database), None)).collect();
    let (mut committed, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut state = 0x5eed_u64;
    for step in 0..STEPS {
        // Knuth's generator; its upper bits are the better ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let draw = usize::try_from(state >> 40).unwrap();
        let Some((session, open)) = writers.get_mut(draw % WRITERS) else { continue };
        match open.take() {
            None => {
                let name = format!("e{step}");
                begin(session, &name);
                *open = Some(name);
            }
            Some(_) if (draw / WRITERS).is_multiple_of(3) => drop(session.run("ROLLBACK").unwrap()),
            Some(name) => {
                session.run("COMMIT").unwrap();
                committed.insert(name);
            }
        }
        for (name, is_there) in follower.look(step as u64) {
            assert!(is_there, "{name} was told before it was there");
            assert!(seen.insert(name.clone()), "{name} was told twice");
        }
    }
    assert!(committed.len() > STEPS / 6, "{committed:?}");
    for (name, _) in follower.look(TIMEOUT.as_secs() - 1) {
        seen.insert(name);
    }
    assert_eq!(seen, committed);
}

/// A log that an earlier version made learns of events.
fn log_without_events_gets_them(server: Server) {
    let database = server.create_database();
    drop(server.open(&database).unwrap());
    let index = if server.kind() == "mysql" { "DROP INDEX steeple_changes_event, " } else { "" };
    server.sql(&database, &format!("ALTER TABLE steeple_changes {index}DROP COLUMN event"));
    let mut follower = Follower::start(server, &database);
    server.sql(&database, &make("a"));
    assert_eq!(follower.look(0), there(&["a"]));
    assert_eq!(follower.look(1), there(&[]));
}
