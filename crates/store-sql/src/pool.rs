//! A pool of connections to a database server, and transactions on them.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use steeple_clock::Clock;
use steeple_store::{ErrorClass, StoreError};

use crate::connection::{Connection, Result, unexpected};

/// How long a connection that nobody uses is kept, as in SPIRE.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// Longest wait for a connection to the server, unless the connection string says otherwise.
pub(crate) const CONNECT: Duration = Duration::from_secs(30);
/// Longest wait for the end of a connection.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);
/// Longest wait for one of the connections when all are in use.
const PATIENCE: Duration = Duration::from_mins(1);
/// Longest wait for a statement of a transaction that reads or writes; the largest one reads all entries.
pub(crate) const STATEMENT: Duration = Duration::from_mins(2);
/// Longest wait for a statement that makes or migrates the schema, which may change a large table.
pub(crate) const SCHEMA: Duration = Duration::from_mins(10);
/// Longest wait for the beginning of a transaction, by which a connection is found out that is of no use any more.
pub(crate) const BEGIN: Duration = Duration::from_secs(15);
/// Longest wait for a lock, after which a write is repeated.
pub(crate) const LOCK: Duration = Duration::from_secs(10);
/// Longest wait for a lock while the schema is made or migrated, by another server for instance.
pub(crate) const SCHEMA_LOCK: Duration = Duration::from_mins(5);
/// After how long a database ends a transaction whose server has fallen silent, so that its locks don't hold up others.
pub(crate) const SILENCE: Duration = Duration::from_secs(40);

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads of one state of the database.
    Read,
    /// Reads of what is committed, and writes.
    Write,
    /// The same to make or migrate the schema, which may take long.
    Schema,
}

/// A connection to a server.
pub(crate) trait Session: Connection + Send {
    /// Begins a transaction.
    fn begin(&mut self, access: Access) -> Result<()>;

    /// Ends the transaction. What fails here may have been done.
    fn commit(&mut self) -> Result<()>;

    /// Ends the transaction as if it had not been.
    fn roll_back(&mut self) -> Result<()>;

    /// Whether it is of no use any more.
    fn is_broken(&self) -> bool;

    /// Says goodbye to the server.
    fn close(self: Box<Self>);
}

/// The error of a commit whose connection broke off: it is not repeated, since it may have been done.
pub(crate) fn uncertain(error: &StoreError) -> StoreError {
    StoreError { message: format!("{}; it may have been written", error.message), transient: false, class: error.class }
}

/// The error of a server that can't be reached.
pub(crate) fn unreachable(place: &str, reason: impl std::fmt::Display) -> StoreError {
    let message = format!("datastore-sql: the database (\"{place}\") can't be reached: {reason}");
    StoreError::new(ErrorClass::Unavailable, message)
}

/// The error of a connection that broke off: the transaction is worth repeating on another one.
pub(crate) fn lost(place: &str, reason: &str) -> StoreError {
    StoreError::busy(format!("datastore-sql: the connection to the database (\"{place}\") was lost: {reason}"))
}

/// Opens connections.
pub(crate) trait Connect: Send + Sync {
    /// Connects to the server.
    fn connect(&self) -> Result<Box<dyn Session>>;
}

impl<F: Fn() -> Result<Box<dyn Session>> + Send + Sync> Connect for F {
    fn connect(&self) -> Result<Box<dyn Session>> {
        self()
    }
}

/// How many connections there may be, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Most connections at a time; 0 is no limit.
    pub(crate) open: usize,
    /// Most connections that are kept while nobody uses them.
    pub(crate) idle: usize,
    /// How long a connection is used; `None` is for ever.
    pub(crate) lifetime: Option<Duration>,
}

/// A pool of connections.
pub(crate) struct Pool {
    connect: Box<dyn Connect>,
    limits: Limits,
    clock: Clock,
    /// Longest wait for a connection when all are in use.
    patience: Duration,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Held>,
    open: usize,
}

/// A connection with its age.
struct Held {
    session: Box<dyn Session>,
    opened: Duration,
    returned: Duration,
}

impl Pool {
    pub(crate) fn new(connect: Box<dyn Connect>, limits: Limits, clock: Clock) -> Self {
        Self { connect, limits, clock, patience: PATIENCE, state: Mutex::default(), returned: Condvar::new() }
    }

    /// Runs `work` in a transaction; a write is committed, all or nothing, and durable when this returns.
    pub(crate) fn transact<T>(&self, access: Access, work: impl FnOnce(&mut dyn Connection) -> Result<T>) -> Result<T> {
        let mut place = self.begin(access)?;
        let Some(held) = &mut place.held else { return Err(unexpected("no connection")) };
        match work(held.session.as_mut()) {
            Ok(value) => {
                let committed = held.session.commit();
                place.is_usable = committed.is_ok();
                // What was read stays read.
                committed.or_else(|error| if access == Access::Read { Ok(()) } else { Err(error) })?;
                Ok(value)
            }
            Err(error) => {
                // The connection may be the reason; without it the server ends the transaction by itself.
                place.is_usable = !held.session.is_broken() && held.session.roll_back().is_ok();
                Err(error)
            }
        }
    }

    /// A connection on which a transaction has begun. Those that the server has closed meanwhile are found out here.
    fn begin(&self, access: Access) -> Result<Place<'_>> {
        loop {
            let mut place = self.take()?;
            if let Some(held) = &mut place.held {
                match held.session.begin(access) {
                    Ok(()) => return Ok(place),
                    Err(_) if held.session.is_broken() => {
                        // What befell this one has most likely befallen the others too; to try each would take long.
                        self.forget_idle();
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            let mut session = self.connect.connect()?;
            session.begin(access)?;
            let now = self.clock.monotonic();
            place.held = Some(Held { session, opened: now, returned: now });
            return Ok(place);
        }
    }

    /// A place for a connection, with one in it if one is kept.
    fn take(&self) -> Result<Place<'_>> {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        let outdated: Vec<Held> = state.idle.extract_if(.., |held| !self.is_fresh(held, now)).collect();
        state.open = state.open.saturating_sub(outdated.len());
        let held = loop {
            if let Some(held) = state.idle.pop() {
                break Some(held);
            }
            if self.limits.open == 0 || state.open < self.limits.open {
                state.open += 1;
                break None;
            }
            if self.returned.wait_for(&mut state, self.patience).timed_out() {
                let (open, seconds) = (self.limits.open, self.patience.as_secs());
                let reason = format!("all {open} connections (max_open_conns) were in use for {seconds} s");
                return Err(StoreError::new(ErrorClass::Unavailable, format!("datastore-sql: {reason}")));
            }
        };
        drop(state);
        for held in outdated {
            held.session.close();
        }
        Ok(Place { pool: self, held, is_usable: false })
    }

    /// Gives up the connections that nobody uses.
    fn forget_idle(&self) {
        let mut state = self.state.lock();
        let idle = std::mem::take(&mut state.idle);
        state.open = state.open.saturating_sub(idle.len());
        drop(state);
        // Others wait for room, of which there is more now.
        self.returned.notify_all();
    }

    fn is_fresh(&self, held: &Held, now: Duration) -> bool {
        now.saturating_sub(held.returned) <= IDLE_TIME
            && self.limits.lifetime.is_none_or(|lifetime| now.saturating_sub(held.opened) <= lifetime)
    }
}

/// One of the connections that there may be, which goes back to the pool when this is dropped.
struct Place<'p> {
    pool: &'p Pool,
    held: Option<Held>,
    is_usable: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let now = self.pool.clock.monotonic();
        let mut state = self.pool.state.lock();
        let mut gone = None;
        match self.held.take() {
            Some(held) if self.is_usable && state.idle.len() < self.pool.limits.idle => {
                state.idle.push(Held { returned: now, ..held });
            }
            held => {
                state.open = state.open.saturating_sub(1);
                gone = held;
            }
        }
        drop(state);
        self.pool.returned.notify_one();
        if let Some(held) = gone.filter(|held| !held.session.is_broken()) {
            held.session.close();
        }
    }
}

#[cfg(test)]
mod tests;
