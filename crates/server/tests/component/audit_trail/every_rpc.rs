//! Each RPC of the table is called once, and what it left in the trail is compared with what the catalogue promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt as _;
use serde_json::{Map, Value};
use steeple_audit::Audit;
use steeple_audit::verify::each_record;
use steeple_net::Answers;
use steeple_proto::spire::api::types;
use steeple_server::{Row, TABLE};
use tonic::Code;

use super::Kept;
use super::cases::case;
use crate::bench::{Bench, Calls, local_peer, remote_peer, serve};
use crate::new_downstream_x509_ca::downstream_server;
use crate::peer::Peer;
use crate::upstream_authority::{disk_authority, new_root};

/// Who calls, as records tell it.
const LOCAL: &str = "1000";
const ANONYMOUS: &str = "";

/// A record that a call leaves: its event, who asked (a user of the system, a SPIFFE ID, or nobody known), and its data,
/// all members of it; `null` stands for any value but nothing.
pub(super) type Left = (&'static str, String, Value);

/// The server of a case, and its callers.
pub(super) struct Rig<A> {
    pub(super) local: Calls<A>,
    pub(super) anonymous: Calls<A>,
    pub(super) agent: Calls<A>,
    pub(super) downstream: Calls<A>,
    pub(super) agent_id: types::Spiffeid,
    /// Another agent.
    pub(super) other: types::Spiffeid,
    /// A workload's entry below the agent.
    pub(super) entry: types::Entry,
    /// The bundle endpoint of another trust domain.
    pub(super) peer: Peer,
    /// Of the root in the files, if the server is below one.
    pub(super) root: String,
    /// Where its files are.
    pub(super) files: tempfile::TempDir,
    kept: Kept,
    seen: AtomicUsize,
}

impl<A: Answers> Rig<A> {
    /// What is in the trail so far is not the call's.
    pub(super) fn begin(&self) {
        self.seen.store(self.records().len(), Ordering::Relaxed);
    }

    fn records(&self) -> Vec<Value> {
        let mut records = Vec::new();
        each_record(&self.kept.folder.path().join("audit"), |_, line| {
            records.push(serde_json::from_str(line).unwrap());
            true
        })
        .unwrap();
        records
    }

    fn left(&self) -> Vec<Value> {
        self.records().split_off(self.seen.load(Ordering::Relaxed))
    }
}

/// An intent by a local user.
pub(super) fn by_local(event: &'static str, data: Value) -> Vec<Left> {
    vec![(event, LOCAL.to_owned(), data)]
}

/// An intent by a party with an SVID.
pub(super) fn by_svid(event: &'static str, path: &str, data: Value) -> Vec<Left> {
    vec![(event, format!("spiffe://example.org{path}"), data)]
}

/// An intent by somebody without an SVID.
pub(super) fn by_anonymous(event: &'static str, data: Value) -> Vec<Left> {
    vec![(event, ANONYMOUS.to_owned(), data)]
}

async fn walk(row: &Row) {
    let kept = Kept::new();
    let files = tempfile::tempdir().unwrap();
    let is_upstream = row.name().contains("Upstream");
    let root = if is_upstream { new_root(files.path(), "FIRST") } else { String::new() };
    let upstream = is_upstream.then(|| Arc::new(disk_authority(files.path())) as _);
    let bench = Bench::recording_below(Audit::new(Arc::new(kept.trail.clone())), upstream).await;
    let (agent, other) = (bench.agent().await, bench.agent().await);
    let entry = bench.entry(&agent.id, "/w").await;
    let server = downstream_server(&bench, &agent.id).await;
    let rig = Rig {
        local: bench.calls(local_peer()),
        anonymous: bench.calls(remote_peer(&[])),
        agent: bench.calls(remote_peer(&agent.chain)),
        downstream: bench.calls(remote_peer(&server)),
        agent_id: agent.id,
        other: other.id,
        entry,
        peer: Peer::start().await,
        root,
        files,
        kept,
        seen: AtomicUsize::default(),
    };
    // The owner of the authorities is one of the server's jobs.
    let drive = async {
        let expected = case(row, &rig).await;
        assert!(expected.is_some(), "{} has no case; write one", row.method);
        let expected = expected.unwrap_or_default();
        compare(row, &rig.left(), &expected);
        refuse(row, &rig).await;
    };
    Box::pin(serve(bench.server, drive)).await;
    rig.kept.close().await;
}

/// Who is refused leaves nothing but a denial.
async fn refuse<A: Answers>(row: &Row, rig: &Rig<A>) {
    rig.begin();
    let status = rig.anonymous.status_of(row.method).await;
    // Some services are not there at all on the network.
    let is_refused = matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented);
    assert!(is_refused || row.callers == steeple_policy::Callers::ANY, "{}: {status}", row.method);
    let left = rig.left();
    let others = left.iter().filter(|record| !event(record).ends_with("_denied"));
    assert_eq!(others.count(), 0, "{} left more than a denial: {left:?}", row.method);
}

fn event(record: &Value) -> &str {
    record["metadata"]["event_code"].as_str().unwrap()
}

fn compare(row: &Row, left: &[Value], expected: &[Left]) {
    use steeple_policy::AuditClass;
    let events: Vec<&str> = left.iter().map(event).collect();
    let wanted: Vec<&str> = expected.iter().map(|(event, ..)| *event).collect();
    assert_eq!(events, wanted, "{}", row.method);
    let issued = events.iter().any(|event| event.ends_with("_issued") || event.starts_with("agent_"));
    match row.audit {
        AuditClass::Read => assert!(events.iter().all(|event| *event == "audit_read"), "{}: {events:?}", row.method),
        AuditClass::Credential => assert!(issued || events.is_empty(), "{}: {events:?}", row.method),
        AuditClass::Change => assert!(!events.contains(&"audit_read"), "{}: {events:?}", row.method),
    }
    for (record, (event, actor, data)) in left.iter().zip(expected) {
        let place = format!("{}: {event} in {record}", row.method);
        assert_eq!((record["status_id"].as_i64(), record["time"].is_i64()), (Some(1), true), "{place}");
        assert_eq!(record["actor"]["user"]["uid"].as_str().unwrap_or_default(), actor, "{place}");
        let known = Map::new();
        let told = record["entity"]["data"].as_object().unwrap_or(&known);
        let data = data.as_object().unwrap();
        assert_eq!(told.keys().collect::<Vec<_>>(), sorted(data), "{place}");
        for (name, wanted) in data {
            let is_there = !told[name].is_null() && told[name] != "";
            assert!(if wanted.is_null() { is_there } else { told[name] == *wanted }, "{name}, {wanted}, of {place}");
        }
    }
}

/// Members are in the order of the canonical form.
fn sorted(data: &Map<String, Value>) -> Vec<&String> {
    let mut names: Vec<_> = data.keys().collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rpc_leaves_one_record_for_each_change_and_credential_and_none_for_reads() {
    // A few at a time: each has a server, a trail and its thread.
    futures::stream::iter(TABLE.iter().map(walk)).buffer_unordered(8).collect::<()>().await;
}
