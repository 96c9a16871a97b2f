//! Events as SPIRE servers write them, beside the log of ours.

use std::time::Duration;

use steeple_types::{EntryId, Revision};

use super::Subject;
use super::samples::{at, entry};
use crate::units::{CreateEntry, ImportEvents, PruneChanges, TellServerState};
use crate::{EventFollower, ReadTx, ServerState};

const TIMEOUT: Duration = Duration::from_mins(15);
/// IDs from here on are far from those that the database hands out itself.
const FAR: u64 = 1_000;

/// A server that follows events.
struct Server {
    events: EventFollower,
}

impl Server {
    fn start(subject: &Subject) -> Self {
        Self { events: subject.read(|tx| EventFollower::begin(tx, TIMEOUT, Duration::ZERO)) }
    }

    /// Looks at the time `seconds`; yields what was imported.
    fn look(&mut self, subject: &Subject, seconds: u64) -> Vec<String> {
        let now = Duration::from_secs(seconds);
        let question = self.events.question(now);
        let found = subject.read(|tx| question.clone().ask(tx));
        assert!(found.is_all);
        let before = subject.read(|tx| tx.last_revision());
        subject.done(&ImportEvents { events: found.not_logged() });
        assert!(!self.events.take(&found, now));
        subject.changed_keys(before)
    }
}

/// An entry that a SPIRE server makes.
fn make(subject: &Subject, name: &str) {
    let path = format!("spiffe://example.org/{name}");
    (subject.sql)(&format!(
        "INSERT INTO registered_entries (created_at, updated_at, entry_id, spiffe_id, parent_id, ttl, admin, downstream, \
         expiry, revision_number, store_svid, hint, jwt_svid_ttl) VALUES ('2023-11-14 22:13:20', '2023-11-14 22:13:20', \
         '{name}', '{path}', 'spiffe://example.org/parent', 0, false, false, 0, 0, false, '', 0)"
    ));
}

/// The event of a SPIRE server about an entry.
fn event(subject: &Subject, id: u64, name: &str) {
    (subject.sql)(&format!(
        "INSERT INTO registered_entries_events (id, created_at, updated_at, entry_id) \
         VALUES ({id}, '2023-11-14 22:13:20', '2023-11-14 22:13:20', '{name}')"
    ));
}

fn has(subject: &Subject, name: &str) -> bool {
    let id = EntryId::parse(name).unwrap();
    subject.read(|tx| tx.entry(&id)).is_some()
}

/// What a SPIRE server writes is one change of the log, whoever imports it; what ours write is no event of others.
pub fn events_of_others_are_imported_once(subject: &Subject) {
    let mut servers = [Server::start(subject), Server::start(subject)];
    subject.done(&CreateEntry { entry: entry("ours", &["a:1"]) });
    assert_eq!(servers[0].look(subject, 0), [""; 0]);
    make(subject, "theirs");
    event(subject, FAR, "theirs");
    assert_eq!(servers[0].look(subject, 1), ["theirs"]);
    assert!(has(subject, "theirs"));
    assert_eq!(servers[1].look(subject, 1), [""; 0]);
    assert_eq!(servers[0].look(subject, 2), [""; 0]);
    // Another change of the same record is another event.
    event(subject, FAR + 1, "theirs");
    assert_eq!(servers[1].look(subject, 3), ["theirs"]);
    // Two that look at the same time both find an event; the log has it once.
    event(subject, FAR + 2, "theirs");
    let found = servers.each_ref().map(|server| {
        let question = server.events.question(Duration::from_secs(4));
        subject.read(|tx| question.clone().ask(tx)).not_logged()
    });
    let imported = found.map(|events| subject.done(&ImportEvents { events }));
    assert_eq!(imported, [1, 0]);
    assert_eq!(subject.changed_keys(Revision(0)), ["ours", "theirs", "theirs", "theirs"]);
}

/// IDs are handed out before commits: what is missing may come late, or never.
pub fn events_that_turn_up_behind_others_are_imported(subject: &Subject) {
    event(subject, FAR, "before");
    let mut server = Server::start(subject);
    event(subject, FAR + 4, "first");
    assert_eq!(server.look(subject, 0), ["first"]);
    event(subject, FAR + 2, "second");
    assert_eq!(server.look(subject, 1), ["second"]);
    subject.done(&CreateEntry { entry: entry("ours", &["a:1"]) });
    event(subject, FAR + 1, "third");
    assert_eq!(server.look(subject, 899), ["third"]);
    assert_eq!(server.look(subject, 900), [""; 0]);
    event(subject, FAR + 3, "too late");
    assert_eq!(server.look(subject, 901), [""; 0]);
    event(subject, FAR + 6, "next");
    assert_eq!(server.look(subject, 902), ["next"]);
}

/// A follower begins with the state that the full read saw: all that commits after it is an event to it.
pub fn events_between_the_full_read_and_the_first_look_are_imported(subject: &Subject) {
    event(subject, FAR, "old");
    event(subject, FAR + 2, "old");
    let mut server = Server::start(subject);
    event(subject, FAR + 1, "in a gap");
    event(subject, FAR + 3, "at the end");
    event(subject, FAR - 1, "before the first");
    let mut imported = server.look(subject, 0);
    imported.sort();
    assert_eq!(imported, ["at the end", "before the first", "in a gap"]);
}

/// The event of a record that is gone is a change all the same.
pub fn removed_records_are_told(subject: &Subject) {
    make(subject, "theirs");
    let mut server = Server::start(subject);
    (subject.sql)("DELETE FROM registered_entries WHERE entry_id = 'theirs'");
    event(subject, FAR, "theirs");
    assert_eq!(server.look(subject, 0), ["theirs"]);
    assert!(!has(subject, "theirs"));
    let node = "spiffe://example.org/spire/agent/a";
    (subject.sql)(&format!(
        "INSERT INTO attested_node_entries_events (id, created_at, updated_at, spiffe_id) \
         VALUES ({FAR}, '2023-11-14 22:13:20', '2023-11-14 22:13:20', '{node}')"
    ));
    assert_eq!(server.look(subject, 1), [node]);
}

/// Events that were dropped since they are old are no gap.
pub fn pruned_events_are_not_missed(subject: &Subject) {
    let mut server = Server::start(subject);
    event(subject, FAR, "a");
    event(subject, FAR + 1, "b");
    assert_eq!(server.look(subject, 0), ["a", "b"]);
    subject.done(&PruneChanges { before: at(1_800_000_000) });
    assert_eq!(subject.read(|tx| tx.last_event(crate::ChangeKind::Entry)), 0);
    assert_eq!(server.look(subject, 1), [""; 0]);
    let mut later = Server::start(subject);
    event(subject, FAR + 3, "c");
    event(subject, FAR + 2, "d");
    assert_eq!(server.look(subject, 2), ["d", "c"]);
    assert_eq!(later.look(subject, 2), [""; 0]);
}

/// A server's last word counts; who says nothing for long is forgotten.
pub fn states_of_servers_are_told_and_forgotten(subject: &Subject) {
    let state = |instance: &str, revision: u64, seconds: i64| ServerState {
        instance: instance.to_owned(),
        name: format!("host-{instance}"),
        revision: Revision(revision),
        hash: "ab".repeat(32),
        told_at: at(seconds),
    };
    let tell = |state: ServerState| subject.done(&TellServerState { state, gone_since: at(1_000) });
    let known = || subject.read(|tx| tx.server_states());
    tell(state("a", 1, 1_000));
    tell(state("b", 2, 999));
    tell(state("a", 3, 1_001));
    assert_eq!(known(), [state("a", 3, 1_001)]);
    assert_eq!(subject.read(|tx: &mut dyn ReadTx| tx.last_revision()), Revision(0));
}
