use std::fs;
use std::path::Path;
use std::thread::JoinHandle;

use super::*;
use crate::verify::{Question, Verified, verify};
use crate::{Actor, EventKind};

const START: &str = "2026-01-01T00:00:00Z";

struct Bench {
    folder: tempfile::TempDir,
    clock: Clock,
    settings: TrailSettings,
}

/// A trail that is written.
struct Written {
    trail: Trail,
    thread: JoinHandle<()>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = TrailSettings {
            directory: folder.path().join("audit"),
            key_path: folder.path().join("audit_key.pem"),
            trust_domain: "example.org".to_owned(),
            authority: "spiffe://example.org/spire/server".to_owned(),
            max_segment_size: 1 << 20,
            max_segment_age: Duration::from_hours(24),
            checkpoint_records: 4,
            checkpoint_interval: Duration::from_mins(1),
        };
        Self { folder, clock: Clock::manual(START.parse().unwrap()).0, settings }
    }

    fn open(&self) -> Result<Written, TrailError> {
        let (trail, writer) = Trail::open(self.settings.clone(), self.clock.clone())?;
        let runtime = tokio::runtime::Handle::current();
        Ok(Written { trail, thread: std::thread::spawn(move || writer.run(&runtime)) })
    }

    fn path(&self) -> &Path {
        &self.settings.directory
    }

    fn verify(&self) -> Verified {
        verify(self.path(), &Question::default()).unwrap()
    }

    fn segments(&self) -> Vec<u64> {
        Folder::new(self.path()).segments().unwrap().into_iter().map(|segment| segment.first).collect()
    }
}

impl Written {
    async fn record(&self, count: usize) -> Result<(), AuditError> {
        for _ in 0..count {
            self.trail.record(&event()).await?;
        }
        Ok(())
    }

    async fn close(self) {
        drop(self.trail);
        tokio::task::spawn_blocking(|| self.thread.join().unwrap()).await.unwrap();
    }
}

fn event() -> Event {
    let kind = EventKind::LogLevelSet { level: "debug".to_owned() };
    Event { at: START.parse().unwrap(), actor: Actor::Server, kind, correlation: 7, failure: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_is_in_the_files_and_in_order() {
    let bench = Bench::new();
    let written = bench.open().unwrap();
    written.record(9).await.unwrap();
    assert_eq!(bench.verify().records, 9, "durable when the answer comes, not when the trail is closed");
    written.close().await;
    let found = bench.verify();
    assert_eq!((found.records, found.checkpoints, found.uncovered, found.torn), (9, 3, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn trail_is_gone_on_with_after_a_stop() {
    let bench = Bench::new();
    for _ in 0..3 {
        let written = bench.open().unwrap();
        written.record(3).await.unwrap();
        written.close().await;
    }
    let found = bench.verify();
    assert_eq!((found.records, found.uncovered), (9, 0));
    assert_eq!(bench.segments(), [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_wait_together_and_each_is_recorded() {
    let bench = Bench::new();
    let written = bench.open().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let trail = written.trail.clone();
        tasks.spawn(async move { trail.record_all(&[event(), event()]).await });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap().unwrap();
    }
    written.close().await;
    assert_eq!(bench.verify().records, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_and_old_segments_are_sealed_and_the_chain_goes_on() {
    use std::os::unix::fs::PermissionsExt;
    let mut bench = Bench::new();
    let (clock, hand) = Clock::manual(START.parse().unwrap());
    bench.clock = clock;
    bench.settings.max_segment_size = 2_000;
    let written = bench.open().unwrap();
    written.record(7).await.unwrap();
    let large = bench.segments();
    assert!(large.len() > 1, "{large:?}");
    written.close().await;
    bench.settings.max_segment_size = 1 << 20;
    let written = bench.open().unwrap();
    hand.advance(Duration::from_hours(25));
    written.record(1).await.unwrap();
    let old = bench.segments();
    assert_eq!(old.len(), large.len() + 1);
    written.close().await;
    assert_eq!((bench.verify().records, bench.verify().uncovered), (8, 0));
    for segment in Folder::new(bench.path()).segments().unwrap() {
        let mode = fs::metadata(&segment.path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode == 0o440, segment.first < *old.last().unwrap(), "{}: {mode:o}", segment.path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_comes_by_itself_when_time_passes() {
    let mut bench = Bench::new();
    let (clock, hand) = Clock::manual(START.parse().unwrap());
    bench.clock = clock;
    let written = bench.open().unwrap();
    written.record(1).await.unwrap();
    assert_eq!(bench.verify().uncovered, 1);
    hand.wait_for_sleepers(1).await;
    hand.advance(Duration::from_mins(1));
    // Once it sleeps no more, it has made the checkpoint or is about to; the end waits for it.
    written.close().await;
    let found = bench.verify();
    assert_eq!((found.uncovered, found.checkpoints), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_comes_though_records_keep_coming() {
    let mut bench = Bench::new();
    let (clock, hand) = Clock::manual(START.parse().unwrap());
    bench.clock = clock;
    bench.settings.checkpoint_records = 1_000;
    let written = bench.open().unwrap();
    for _ in 0..4 {
        written.record(1).await.unwrap();
        hand.advance(Duration::from_secs(25));
    }
    written.record(1).await.unwrap();
    // The next record is behind the checkpoint, in the one writer's order.
    written.record(1).await.unwrap();
    assert_eq!(bench.verify().checkpoints, 1);
    written.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn event_that_can_not_be_recorded_takes_nobody_else_with_it() {
    let bench = Bench::new();
    let (trail, mut writer) = Trail::open(bench.settings.clone(), bench.clock.clone()).unwrap();
    let kind = EventKind::LogLevelSet { level: "x".repeat(crate::record::MAX_LINE) };
    let large = Event { kind, ..event() };
    let (answers, group): (Vec<_>, Vec<_>) = [vec![event()], vec![event(), large], vec![event()]]
        .map(|events| {
            let (answer, answered) = oneshot::channel();
            (answered, Waiting { forms: Forms::of(&events).unwrap(), answer })
        })
        .into_iter()
        .unzip();
    writer.write_for_test(group);
    let mut outcomes = Vec::new();
    for answered in answers {
        outcomes.push(answered.await.unwrap().is_ok());
    }
    assert_eq!(outcomes, [true, false, true]);
    drop((trail, writer));
    assert_eq!(bench.verify().records, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn age_of_a_segment_is_that_of_its_first_record() {
    let mut bench = Bench::new();
    let (clock, hand) = Clock::manual(START.parse().unwrap());
    bench.clock = clock;
    for _ in 0..3 {
        let written = bench.open().unwrap();
        written.record(1).await.unwrap();
        written.close().await;
        hand.advance(Duration::from_hours(10));
    }
    assert_eq!(bench.segments(), [0]);
    let written = bench.open().unwrap();
    written.record(1).await.unwrap();
    written.close().await;
    assert_eq!(bench.segments(), [0, 3], "30 hours after its first record");
}

#[tokio::test(flavor = "multi_thread")]
async fn write_that_was_cut_short_is_taken_away_at_the_start() {
    let bench = Bench::new();
    let written = bench.open().unwrap();
    written.record(5).await.unwrap();
    written.close().await;
    let segment = Folder::new(bench.path()).segments().unwrap().remove(0).path;
    let whole = fs::read(&segment).unwrap();
    fs::write(&segment, [&whole[..], &whole[..100]].concat()).unwrap();
    let checkpoints = bench.path().join("checkpoints");
    let notes = fs::read_to_string(&checkpoints).unwrap();
    fs::write(&checkpoints, format!("{notes}{}", &notes[..90])).unwrap();
    assert_eq!(bench.verify().torn, 100);
    let written = bench.open().unwrap();
    written.record(1).await.unwrap();
    written.close().await;
    assert_eq!((bench.verify().records, bench.verify().torn), (6, 0));
    assert!(fs::read_to_string(&checkpoints).unwrap().starts_with(&notes));
}

#[tokio::test(flavor = "multi_thread")]
async fn trail_that_was_tampered_with_is_not_gone_on_with() {
    let bench = Bench::new();
    let written = bench.open().unwrap();
    written.record(6).await.unwrap();
    written.close().await;
    let segment = Folder::new(bench.path()).segments().unwrap().remove(0).path;
    let whole = fs::read_to_string(&segment).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    for (changed, said) in [
        (lines[..5].join("\n") + "\n", "records 5 to 5 of the trail are missing"),
        (
            whole.replacen(lines[5], &lines[5].replace("debug", "trace"), 1),
            "record 5 of the trail: the record was changed",
        ),
        (format!("{whole}{}\n", lines[5]), "record 6 of the trail does not follow"),
    ] {
        fs::write(&segment, changed).unwrap();
        let error = bench.open().err().expect(said).to_string();
        assert!(error.contains(said) && error.contains("steeple audit verify"), "{error}");
    }
    fs::write(&segment, whole).unwrap();
    bench.open().unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trail_has_one_writer_one_key_and_one_trust_domain() {
    let mut bench = Bench::new();
    let written = bench.open().unwrap();
    written.record(1).await.unwrap();
    let error = bench.open().err().unwrap().to_string();
    assert!(error.contains("another server writes this trail"), "{error}");
    written.close().await;
    bench.settings.trust_domain = "example.com".to_owned();
    assert!(bench.open().err().unwrap().to_string().contains("a trail of another trust domain"));
    bench.settings.trust_domain = "example.org".to_owned();
    bench.settings.key_path = bench.folder.path().join("another.pem");
    assert!(bench.open().err().unwrap().to_string().contains("a trail of another key"));
    bench.settings.key_path = bench.folder.path().join("audit_key.pem");
    fs::remove_file(bench.path().join("key.pub")).unwrap();
    assert!(bench.open().err().unwrap().to_string().contains("its key.pub is gone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recorded_where_nothing_can_be_written() {
    let bench = Bench::new();
    let written = bench.open().unwrap();
    written.record(2).await.unwrap();
    written.close().await;
    // The writer's file refuses each write, as a full disk does.
    let full = Path::new("/dev/full");
    let segment = Folder::new(bench.path()).segments().unwrap().remove(0).path;
    let kept = fs::read(&segment).unwrap();
    let (trail, mut writer) = Trail::open(bench.settings.clone(), bench.clock.clone()).unwrap();
    let good = writer.swap_file(fs::OpenOptions::new().write(true).open(full).unwrap());
    let (answer, answered) = oneshot::channel();
    writer.write_for_test(vec![Waiting { forms: Forms::of([&event()]).unwrap(), answer }]);
    let error = answered.await.unwrap().unwrap_err().to_string();
    assert!(error.starts_with("audit record could not be written: ") && error.contains("make space there"), "{error}");
    writer.swap_file(good);
    assert_eq!(fs::read(&segment).unwrap(), kept);
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::spawn(move || writer.run(&runtime));
    let written = Written { trail, thread };
    written.record(1).await.unwrap();
    written.close().await;
    assert_eq!(bench.verify().records, 3);
}
