//! The handle [`Store`] over a real backend: repetition, revisions, observation, callers that go away.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use steeple_clock::Clock;
use steeple_store::units::CreateJoinToken;
use steeple_store::{Backend, ErrorClass, JoinToken, ReadWork, Store, StoreError, Unit, WriteTx, WriteWork, Written};
use steeple_store_sql::{SqlBackend, SqlConfig};
use steeple_types::Revision;
use tokio::sync::oneshot;

/// A database in memory in whose way others are for its first writes.
struct Contended {
    database: SqlBackend,
    failures: AtomicUsize,
    error: StoreError,
}

impl Backend for Contended {
    fn read(&self, work: ReadWork<'_>) -> Result<(), StoreError> {
        self.database.read(work)
    }

    fn write(&self, work: WriteWork<'_>) -> Result<Revision, StoreError> {
        let fails = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails { Err(self.error.clone()) } else { self.database.write(work) }
    }
}

type Calls = Arc<Mutex<Vec<(&'static str, Result<(), ErrorClass>)>>>;

fn store(failures: usize, error: StoreError) -> (Store, Calls) {
    let database = SqlBackend::open(&SqlConfig::sqlite(":memory:"), Clock::system()).unwrap();
    let backend = Contended { database, failures: AtomicUsize::new(failures), error };
    let calls = Calls::default();
    let seen = Arc::clone(&calls);
    let observer = move |name, status, _: Duration| seen.lock().unwrap().push((name, status));
    (Store::new(Arc::new(backend), Clock::system(), Arc::new(observer)), calls)
}

fn token(name: &str) -> CreateJoinToken {
    let id = |path: &str| format!("spiffe://example.org/{path}").parse().unwrap();
    let selectors = [steeple_types::Selector::new("a", name).unwrap()].into_iter().collect();
    let entry_id = steeple_types::EntryId::parse(name).unwrap();
    let created_at = Timestamp::UNIX_EPOCH;
    CreateJoinToken {
        token: JoinToken { token: name.to_owned(), expires_at: created_at },
        entry: Some(steeple_types::Entry::new(entry_id, id("a"), id("b"), selectors, created_at)),
    }
}

#[tokio::test]
async fn write_is_repeated_while_others_are_in_its_way() {
    let (store, calls) = store(4, StoreError::busy("busy"));
    assert_eq!(store.write(token("a")).await.unwrap().revision, Revision(1));
    assert_eq!(*calls.lock().unwrap(), [("join_token.create", Ok(()))]);
}

#[tokio::test]
async fn repetition_ends() {
    let (store, calls) = store(5, StoreError::busy("busy"));
    assert_eq!(store.write(token("a")).await, Err(StoreError::busy("busy")));
    assert_eq!(*calls.lock().unwrap(), [("join_token.create", Err(ErrorClass::Unavailable))]);
    assert_eq!(*store.revisions().borrow(), Revision(0));
}

#[tokio::test]
async fn other_errors_are_not_repeated() {
    let full = StoreError::new(ErrorClass::Unavailable, "full");
    let (store, _) = store(1, full.clone());
    assert_eq!(store.write(token("a")).await, Err(full));
    assert!(store.write(token("a")).await.is_ok());
}

#[tokio::test]
async fn followers_learn_of_the_revision_of_each_write() {
    let (store, calls) = store(0, StoreError::not_found());
    let mut revisions = store.revisions();
    for name in ["a", "b"] {
        let Written { revision, .. } = store.write(token(name)).await.unwrap();
        revisions.changed().await.unwrap();
        assert_eq!(*revisions.borrow_and_update(), revision);
    }
    let last = store.read("journal.list", |tx| tx.last_revision()).await.unwrap();
    assert_eq!(last, *revisions.borrow());
    assert_eq!(calls.lock().unwrap().last(), Some(&("journal.list", Ok(()))));
}

/// A write that waits for a sign in the middle of its transaction.
struct Slow {
    began: Mutex<Option<oneshot::Sender<()>>>,
    go_on: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Unit for Slow {
    type Output = ();
    const NAME: &'static str = "slow";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        self.began.lock().unwrap().take().unwrap().send(()).unwrap();
        self.go_on.lock().unwrap().take().unwrap().blocking_recv().unwrap();
        token("slow").run(tx)
    }
}

#[tokio::test]
async fn write_is_told_of_though_its_caller_went_away() {
    let (store, _) = store(0, StoreError::not_found());
    let mut revisions = store.revisions();
    let ((began, has_begun), (go_on, sign)) = (oneshot::channel(), oneshot::channel());
    let slow = Slow { began: Mutex::new(Some(began)), go_on: Mutex::new(Some(sign)) };
    tokio::select! {
        biased;
        _ = store.write(slow) => unreachable!("it waits for the sign"),
        begun = has_begun => begun.unwrap(),
    }
    go_on.send(()).unwrap();
    revisions.changed().await.unwrap();
    assert_eq!(*revisions.borrow(), Revision(1));
    assert!(store.read("x", |tx| tx.join_token("slow")).await.unwrap().is_some());
}
