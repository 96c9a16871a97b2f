//! The handle through which the rest of the server reads and writes.

use std::sync::Arc;
use std::time::Duration;

use steeple_clock::Clock;
use steeple_types::Revision;
use tokio::sync::{Semaphore, watch};

use crate::{ErrorClass, ReadTx, StoreError, WriteTx};

/// How often a write is tried when others are in its way.
const ATTEMPTS: usize = 5;
/// Most reads at a time.
const READERS: usize = 16;

/// A write: runs in one transaction, and runs again when the transaction has to be repeated.
pub trait Unit: Send + 'static {
    /// What the write yields.
    type Output: Send + 'static;

    /// The metric under which the write is counted, such as `registration_entry.create`.
    const NAME: &'static str;

    /// Does the work.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is written then.
    fn run(&self, tx: &mut dyn WriteTx) -> Result<Self::Output, StoreError>;
}

/// A committed write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<T> {
    /// What the write yielded.
    pub value: T,
    /// The revision of the datastore with the write in it.
    pub revision: Revision,
}

/// Work in a reading transaction.
pub type ReadWork<'a> = &'a mut dyn FnMut(&mut dyn ReadTx) -> Result<(), StoreError>;
/// Work in a writing transaction.
pub type WriteWork<'a> = &'a mut dyn FnMut(&mut dyn WriteTx) -> Result<(), StoreError>;

/// A database. Calls block; [`Store`] makes them on threads made for that.
pub trait Backend: Send + Sync + 'static {
    /// Runs `work` over one state of the database.
    ///
    /// # Errors
    /// That of `work`, or of the database.
    fn read(&self, work: ReadWork<'_>) -> Result<(), StoreError>;

    /// Runs `work` over a state that may be behind, of a replica for instance, as long as `at_least` is in it.
    ///
    /// # Errors
    /// That of `work`, or of the database.
    #[expect(unused_variables, reason = "a database without a replica is never behind")]
    fn read_stale(&self, at_least: Revision, work: ReadWork<'_>) -> Result<(), StoreError> {
        self.read(work)
    }

    /// Runs `work` and commits; returns the last revision.
    ///
    /// # Errors
    /// That of `work`, or of the database; nothing is written then.
    fn write(&self, work: WriteWork<'_>) -> Result<Revision, StoreError>;
}

/// Sees every call: its metric name, how it ended, how long it took.
pub type CallObserver = dyn Fn(&'static str, Result<(), ErrorClass>, Duration) + Send + Sync;

/// The datastore. Clones are the same datastore.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    clock: Clock,
    observer: Arc<CallObserver>,
    revisions: watch::Sender<Revision>,
    readers: Arc<Semaphore>,
    writer: Arc<Semaphore>,
}

impl Store {
    /// The datastore over `backend`; each call is told to `observer`.
    pub fn new(backend: Arc<dyn Backend>, clock: Clock, observer: Arc<CallObserver>) -> Self {
        Self {
            backend,
            clock,
            observer,
            revisions: watch::Sender::new(Revision::default()),
            readers: Arc::new(Semaphore::new(READERS)),
            writer: Arc::new(Semaphore::new(1)),
        }
    }

    /// Follows the revisions that writes through this handle make, and those that it was told of; 0 before the first. They
    /// only grow.
    pub fn revisions(&self) -> watch::Receiver<Revision> {
        self.revisions.subscribe()
    }

    /// Tells followers of [`revisions`](Self::revisions) that the datastore has come to `revision`, which another server may
    /// have written. One that is known already, or is smaller, changes nothing.
    pub fn has_come_to(&self, revision: Revision) {
        come_to(&self.revisions, revision);
    }

    /// Reads in one transaction; `name` is the metric under which the call is counted.
    ///
    /// # Errors
    /// That of `query`, or of the database.
    pub async fn read<T: Send + 'static>(
        &self,
        name: &'static str,
        query: impl FnOnce(&mut dyn ReadTx) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let backend = Arc::clone(&self.backend);
        self.observed(name, &self.readers, move || run(query, |work| backend.read(work))).await
    }

    /// Reads as [`read`](Self::read) does, where a state that is behind will do, as long as `at_least` is in it: followers, whose
    /// caches are behind anyway, spare the primary database so, and never see less than they know.
    ///
    /// # Errors
    /// That of `query`, or of the database.
    pub async fn read_stale<T: Send + 'static>(
        &self,
        name: &'static str,
        at_least: Revision,
        query: impl FnOnce(&mut dyn ReadTx) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let backend = Arc::clone(&self.backend);
        self.observed(name, &self.readers, move || run(query, |work| backend.read_stale(at_least, work))).await
    }

    /// Runs a write, again when others were in its way, and returns when it is durable.
    ///
    /// The write runs to its end, and followers of [`revisions`](Self::revisions) learn of it, even when the caller
    /// stops waiting for it.
    ///
    /// # Errors
    /// That of the unit, or of the database; nothing is written then.
    pub async fn write<U: Unit>(&self, unit: U) -> Result<Written<U::Output>, StoreError> {
        let (backend, revisions) = (Arc::clone(&self.backend), self.revisions.clone());
        self.observed(U::NAME, &self.writer, move || {
            let written = write_until_done(backend.as_ref(), &unit)?;
            come_to(&revisions, written.revision);
            Ok(written)
        })
        .await
    }

    /// Makes a call on a thread for waiting, when one of `places` is free.
    async fn observed<T: Send + 'static>(
        &self,
        name: &'static str,
        places: &Arc<Semaphore>,
        call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let began = self.clock.monotonic();
        let place = Arc::clone(places).acquire_owned().await;
        // The place is held by the call itself, which goes on when the caller stops waiting.
        let call = tokio::task::spawn_blocking(move || {
            let _place = place;
            call()
        });
        let outcome = call.await.unwrap_or_else(|error| {
            Err(StoreError::new(ErrorClass::Internal, format!("datastore call was interrupted: {error}")))
        });
        let status = outcome.as_ref().map(|_| ()).map_err(|error| error.class);
        (self.observer)(name, status, self.clock.monotonic().saturating_sub(began));
        outcome
    }
}

fn come_to(revisions: &watch::Sender<Revision>, revision: Revision) {
    revisions.send_if_modified(|last| {
        let is_newer = revision > *last;
        *last = revision.max(*last);
        is_newer
    });
}

/// Has `read` run `query`, and yields what it yielded.
fn run<T>(
    query: impl FnOnce(&mut dyn ReadTx) -> Result<T, StoreError>,
    read: impl FnOnce(ReadWork<'_>) -> Result<(), StoreError>,
) -> Result<T, StoreError> {
    let (mut query, mut output) = (Some(query), None);
    read(&mut |tx| {
        if let Some(query) = query.take() {
            output = Some(query(tx)?);
        }
        Ok(())
    })?;
    output.ok_or_else(|| StoreError::new(ErrorClass::Internal, "read did not run"))
}

fn write_until_done<U: Unit>(backend: &dyn Backend, unit: &U) -> Result<Written<U::Output>, StoreError> {
    let mut attempt = 1;
    loop {
        let mut output = None;
        let outcome = backend.write(&mut |tx| {
            output = Some(unit.run(tx)?);
            Ok(())
        });
        match (outcome, output) {
            (Ok(revision), Some(value)) => return Ok(Written { value, revision }),
            (Err(error), _) if error.transient && attempt < ATTEMPTS => attempt += 1,
            (Err(error), _) => return Err(error),
            (Ok(_), None) => return Err(StoreError::new(ErrorClass::Internal, "write did not run")),
        }
    }
}
