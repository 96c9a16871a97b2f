use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread::JoinHandle;

use steeple_clock::ManualClock;

use super::*;
use crate::TrailSettings;
use crate::verify::{Proof, Question, Verified, prove, verify};

const DAY: Duration = Duration::from_hours(24);

/// A trail whose segments have four records each, and the one that keeps house.
struct House {
    _folder: tempfile::TempDir,
    keeper: Keeper,
    trail: Trail,
    hand: ManualClock,
    writer: JoinHandle<()>,
}

impl House {
    fn new(compress: bool, retention: Option<Retention>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("audit");
        let (clock, hand) = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
        let settings = TrailSettings {
            directory: directory.clone(),
            key_path: folder.path().join("audit_key.pem"),
            trust_domain: "example.org".to_owned(),
            authority: "spiffe://example.org/spire/server".to_owned(),
            max_segment_size: 4_000,
            max_segment_age: Duration::from_hours(24_000),
            checkpoint_records: 1_000,
            checkpoint_interval: Duration::from_hours(24_000),
        };
        let (trail, writer) = Trail::open(settings, clock.clone()).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let writer = std::thread::spawn(move || writer.run(&runtime));
        let settings = KeepSettings { directory, compress, retention };
        let keeper = Keeper::new(settings, trail.clone(), clock).unwrap();
        Self { _folder: folder, keeper, trail, hand, writer }
    }

    fn path(&self) -> &Path {
        self.keeper.folder.path()
    }

    /// Records so often that the segments of before are full, a day apart.
    async fn days(&self, count: usize) {
        for _ in 0..count {
            for _ in 0..8 {
                let kind = EventKind::LogLevelSet { level: "debug".to_owned() };
                self.keeper.audit.record(self.keeper.clock.now(), Actor::Server, kind).await.unwrap();
            }
            self.hand.advance(DAY);
        }
    }

    fn segments(&self) -> Vec<SegmentFile> {
        self.keeper.folder.segments().unwrap()
    }

    fn first(&self) -> u64 {
        self.segments().first().unwrap().first
    }

    fn verify(&self) -> Result<Verified, Finding> {
        verify(self.path(), &Question::default())
    }

    async fn end(&self) {
        self.trail.end().await;
        self.trail.ended().await;
    }

    fn events(&self) -> Vec<serde_json::Value> {
        let mut events = Vec::new();
        crate::verify::each_record(self.path(), |_, line| {
            events.push(serde_json::from_str(line).unwrap());
            true
        })
        .unwrap();
        events
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_segments_are_compressed_and_read_as_before() {
    let mut house = House::new(true, None);
    house.days(3).await;
    let before = house.events();
    house.keeper.pass().await.unwrap();
    let segments = house.segments();
    let (last, sealed) = segments.split_last().unwrap();
    assert!(!last.is_compressed() && sealed.len() > 2 && sealed.iter().all(SegmentFile::is_compressed), "{segments:?}");
    for segment in sealed {
        assert_eq!(fs::metadata(&segment.path).unwrap().permissions().mode() & 0o777, 0o440);
    }
    assert_eq!(house.events(), before);
    // One that is there twice, since the work was broken off, is read once.
    fs::write(house.path().join(format!("{:020}.jsonl.gz", last.first)), "nothing").unwrap();
    house.end().await;
    house.writer.join().unwrap();
    assert_eq!(verify(house.keeper.folder.path(), &Question::default()).unwrap().records, 24);
    let path = house.keeper.folder.segments().unwrap().remove(1).path;
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    assert!(verify(house.keeper.folder.path(), &Question::default()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_long_enough_goes_behind_a_tombstone() {
    let mut house = House::new(true, Some(Retention::days(10)));
    house.days(9).await;
    house.keeper.pass().await.unwrap();
    assert_eq!(house.first(), 0);
    house.days(5).await;
    house.keeper.pass().await.unwrap();
    let first = house.first();
    assert!((16..=40).contains(&first), "{first}");
    let found = house.verify().unwrap();
    assert_eq!((found.first, found.pruned), (first, first));
    let tombstone = house.events().pop().unwrap();
    let data = &tombstone["entity"]["data"];
    assert_eq!(
        (data["first_record"].as_str(), data["last_record"].as_str()),
        (Some("0"), Some(&*(first - 1).to_string()))
    );
    // A record of what is left is proven as before.
    let proof = prove(house.path(), first + 3).unwrap();
    let key = fs::read_to_string(house.path().join("key.pub")).unwrap();
    let verifier = crate::note::Verifier::parse(&key).unwrap();
    assert_eq!(Proof::from_json(&proof.to_json()).unwrap().verify(&verifier).unwrap().sequence, first + 3);
    // A range is verified as well, with the tombstone.
    let question = Question { from: first + 2, to: Some(first + 4), ..Question::default() };
    assert!(verify(house.path(), &question).is_ok());
    assert!(matches!(verify(house.path(), &Question { from: 1, ..Question::default() }), Err(Finding::NoRecord(1))));

    // Twice: the second tombstone speaks for all.
    house.days(6).await;
    house.keeper.pass().await.unwrap();
    assert!(house.first() > first);
    assert_eq!(house.verify().unwrap().pruned, house.first());
    // One segment more than it tells of is missing.
    let segment = house.segments().remove(0);
    fs::remove_file(&segment.path).unwrap();
    let finding = house.verify().unwrap_err().to_string();
    assert!(finding.ends_with("are missing, and no tombstone that a checkpoint covers tells of it"), "{finding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_that_is_taken_away_without_a_tombstone_is_found() {
    let house = House::new(false, None);
    house.days(4).await;
    house.end().await;
    let segment = house.segments().remove(0);
    fs::remove_file(&segment.path).unwrap();
    assert!(matches!(house.verify(), Err(Finding::Untold { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn tombstone_without_a_checkpoint_or_of_other_records_is_not_believed() {
    let house = House::new(false, None);
    house.days(4).await;
    let segments = house.segments();
    let until = segments[1].first;
    let checkpoint = checkpoint_over(house.path(), until).unwrap().unwrap();
    let tombstone =
        Tombstone { first: 0, until, root: checkpoint.tree.root(), head: checkpoint.head, policy: String::new() };
    fs::remove_file(&segments[0].path).unwrap();
    let record = async |tombstone: Tombstone| {
        let event = EventKind::TrailPruned { tombstone: Box::new(tombstone) };
        house.keeper.audit.record(house.keeper.clock.now(), Actor::Server, event).await.unwrap()
    };
    let intent = record(tombstone.clone()).await;
    assert!(matches!(house.verify(), Err(Finding::Untold { .. })), "no checkpoint covers it");
    assert!(house.trail.checkpoint().await);
    house.verify().unwrap();
    intent.failed("it came to nothing").await;
    assert!(house.trail.checkpoint().await);
    assert!(matches!(house.verify(), Err(Finding::Untold { .. })));
    for wrong in [
        Tombstone { root: [7; 32], ..tombstone.clone() },
        Tombstone { head: [7; 32], ..tombstone.clone() },
        Tombstone { until: until + 1, ..tombstone.clone() },
    ] {
        let intent = record(wrong).await;
        assert!(house.trail.checkpoint().await);
        assert!(matches!(house.verify(), Err(Finding::Tombstone { .. })));
        intent.failed("it was none").await;
    }
    record(tombstone).await;
    assert!(house.trail.checkpoint().await);
    house.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_stops_pruning_until_its_release_is_recorded() {
    let mut house = House::new(false, Some(Retention::days(10)));
    let holds = Holds::of(house.path());
    holds.set("case-7", "subpoena").unwrap();
    house.days(15).await;
    house.keeper.pass().await.unwrap();
    assert_eq!(house.first(), 0);
    assert!(holds.list().unwrap()[0].is_recorded);
    holds.release("case-7", "case is closed").unwrap();
    house.keeper.pass().await.unwrap();
    assert!(house.first() > 0);
    let told: Vec<String> = house.events().iter().map(|event| event["metadata"]["event_code"].to_string()).collect();
    let told: Vec<&str> = told.iter().map(String::as_str).filter(|event| *event != "\"log_level_set\"").collect();
    assert_eq!(told, ["\"hold_set\"", "\"hold_released\"", "\"trail_pruned\""]);
    house.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_is_kept_as_long_as_the_longest_of_its_records() {
    let mut house = House::new(false, Some(Retention { credential: 1, denial: 1, change: 10 }));
    let issue = async |count: usize| {
        for _ in 0..count {
            let id = "spiffe://example.org/w".parse().unwrap();
            let expires_at = house.keeper.clock.now();
            let kind = EventKind::JwtSvidIssued { id, jti: None, expires_at, issued_for: None };
            house.keeper.audit.record(house.keeper.clock.now(), Actor::Server, kind).await.unwrap();
        }
    };
    issue(8).await;
    house.days(2).await;
    let after = house.segments().len();
    house.keeper.pass().await.unwrap();
    let first = house.first();
    assert!(first > 0 && first <= 8, "of credentials alone: {first}, {after}");
    house.days(3).await;
    house.keeper.pass().await.unwrap();
    assert_eq!(house.first(), first, "the next one has a change");
}
