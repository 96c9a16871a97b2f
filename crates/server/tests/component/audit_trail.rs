//! The audit trail of a server: from it alone, what the server holds can be made again.

mod cases;
mod every_rpc;
mod operations;
mod replay;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use steeple_audit::verify::{Question, each_record, verify};
use steeple_audit::{Audit, Trail, TrailSettings};
use steeple_clock::Clock;
use tempfile::TempDir;

use self::operations::Operations;
use self::replay::State;
use crate::bench::{Bench, START, serve};

/// How many operations.
const COUNT: usize = 1_000;

/// A trail in a folder, with the thread that writes it.
struct Kept {
    folder: TempDir,
    trail: Trail,
    thread: std::thread::JoinHandle<()>,
}

impl Kept {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = TrailSettings {
            directory: folder.path().join("audit"),
            key_path: folder.path().join("key.pem"),
            trust_domain: "example.org".to_owned(),
            authority: "spiffe://example.org/spire/server".to_owned(),
            max_segment_size: 256 << 10,
            max_segment_age: Duration::from_hours(24),
            checkpoint_records: 100,
            checkpoint_interval: Duration::from_mins(1),
        };
        let (trail, writer) = Trail::open(settings, Clock::manual(START.parse().unwrap()).0).unwrap();
        let runtime = tokio::runtime::Handle::current();
        Self { folder, trail, thread: std::thread::spawn(move || writer.run(&runtime)) }
    }

    /// All records, after the trail was closed and verified.
    async fn close(self) -> Vec<Value> {
        self.trail.end().await;
        tokio::task::spawn_blocking(|| self.thread.join().unwrap()).await.unwrap();
        let path = self.folder.path().join("audit");
        let verified = verify(&path, &Question::default()).unwrap();
        let mut records = Vec::new();
        each_record(&path, |_, line| {
            records.push(serde_json::from_str(line).unwrap());
            true
        })
        .unwrap();
        assert_eq!(verified.records, u64::try_from(records.len()).unwrap());
        records
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_holds_is_made_again_from_its_trail() {
    let kept = Kept::new();
    let bench = Bench::recording(Audit::new(Arc::new(kept.trail.clone()))).await;
    let mut operations = Operations::new(20_261_201);
    let (held, made) = {
        let calls = bench.local();
        let remote = bench.remote(&[]);
        let drive = async {
            for _ in 0..COUNT {
                operations.one(&calls, &remote).await;
            }
            (State::held(&calls).await, operations.done())
        };
        serve(bench.server, drive).await
    };
    let records = kept.close().await;
    let replayed = State::replayed(&records);
    assert_eq!(replayed.entries, held.entries);
    assert_eq!(replayed.agents, held.agents);
    assert_eq!(replayed.authorities, held.authorities);
    assert!(held.entries.len() > 20 && held.agents.len() > 5, "too little was left: {held:?}");
    // One record for each change, and one more for each that came to nothing.
    for (event, count) in made {
        let of_event = |record: &&Value| record["metadata"]["event_code"] == event;
        let intents = records.iter().filter(of_event).filter(|record| record["status_id"] == 1).count();
        let failed = records.iter().filter(of_event).filter(|record| record["status_id"] == 2).count();
        assert_eq!(intents - failed, count, "{event}");
    }
}
