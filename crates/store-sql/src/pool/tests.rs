use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use jiff::Timestamp;
use steeple_clock::ManualClock;
use steeple_store::{ErrorClass, StoreError};

use super::*;
use crate::connection::{Row, Value};
use crate::dialect::Dialect;

/// What became of the connections of a server.
#[derive(Default)]
struct Server {
    opened: AtomicUsize,
    closed: AtomicUsize,
    committed: AtomicUsize,
    rolled_back: AtomicUsize,
    is_down: AtomicBool,
    /// Connections up to this one were closed by the server.
    lost: AtomicUsize,
    /// Transactions that were begun on such a connection.
    tried: AtomicUsize,
}

struct Fake {
    server: Arc<Server>,
    number: usize,
    is_broken: bool,
}

impl Fake {
    fn check(&mut self) -> Result<()> {
        self.is_broken |= self.number <= self.server.lost.load(Ordering::SeqCst);
        if self.is_broken { Err(StoreError::busy("lost")) } else { Ok(()) }
    }
}

impl Connection for Fake {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn writes(&self) -> bool {
        true
    }

    fn query(&mut self, _: &str, _: &[Value<'_>], _: &mut dyn FnMut(&dyn Row) -> Result<()>) -> Result<()> {
        self.check()
    }

    fn execute(&mut self, _: &str, _: &[Value<'_>]) -> Result<usize> {
        self.check().map(|()| 0)
    }

    fn insert(&mut self, _: &str, _: &[Value<'_>]) -> Result<i64> {
        self.check().map(|()| 0)
    }
}

impl Session for Fake {
    fn begin(&mut self, _: Access) -> Result<()> {
        self.check().inspect_err(|_| {
            self.server.tried.fetch_add(1, Ordering::SeqCst);
        })
    }

    fn commit(&mut self) -> Result<()> {
        self.check()?;
        self.server.committed.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn roll_back(&mut self) -> Result<()> {
        self.server.rolled_back.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn close(self: Box<Self>) {
        self.server.closed.fetch_add(1, Ordering::SeqCst);
    }
}

struct Door(Arc<Server>);

impl Connect for Door {
    fn connect(&self) -> Result<Box<dyn Session>> {
        if self.0.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::new(ErrorClass::Unavailable, "down"));
        }
        let number = self.0.opened.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Box::new(Fake { server: Arc::clone(&self.0), number, is_broken: false }))
    }
}

fn pool(open: usize, idle: usize, lifetime: Option<Duration>) -> (Pool, Arc<Server>, ManualClock) {
    let (clock, hand) = Clock::manual(Timestamp::UNIX_EPOCH);
    let server = Arc::new(Server::default());
    let door = Box::new(Door(Arc::clone(&server)));
    (Pool::new(door, Limits { open, idle, lifetime }, clock), server, hand)
}

fn read(pool: &Pool) -> Result<()> {
    pool.transact(Access::Read, |_| Ok(()))
}

fn count(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}

#[test]
fn connection_is_used_again_until_it_is_idle_or_old() {
    let (pool, server, hand) = pool(0, 10, Some(Duration::from_secs(50)));
    for (seconds, opened) in [(0, 1), (30, 1), (20, 1), (1, 2), (30, 2), (31, 3)] {
        hand.advance(Duration::from_secs(seconds));
        read(&pool).unwrap();
        assert_eq!(count(&server.opened), opened);
    }
    assert_eq!(count(&server.closed), 2);
}

#[test]
fn no_more_connections_are_kept_than_allowed() {
    for (idle, opened) in [(0, 2), (1, 1)] {
        let (pool, server, _) = pool(0, idle, None);
        read(&pool).unwrap();
        read(&pool).unwrap();
        assert_eq!((count(&server.opened), count(&server.closed)), (opened, opened - idle.min(1)), "{idle}");
    }
}

#[test]
fn who_comes_when_all_connections_are_in_use_waits_for_one() {
    let (pool, server, _) = pool(1, 1, None);
    let (entered, has_entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let pool = &pool;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            pool.transact(Access::Read, |_| {
                entered.send(()).unwrap();
                may_leave.recv().unwrap();
                Ok(())
            })
        });
        has_entered.recv().unwrap();
        let second = scope.spawn(|| read(pool));
        leave.send(()).unwrap();
        second.join().unwrap().unwrap();
    });
    assert_eq!(count(&server.opened), 1);
}

#[test]
fn who_waits_too_long_for_a_connection_is_told() {
    let (mut pool, server, _) = pool(1, 1, None);
    pool.patience = Duration::ZERO;
    pool.transact(Access::Read, |_| {
        let error = read(&pool).unwrap_err();
        assert_eq!((error.class, error.transient), (ErrorClass::Unavailable, false));
        assert!(error.message.contains("all 1 connections (max_open_conns) were in use"), "{error}");
        Ok(())
    })
    .unwrap();
    read(&pool).unwrap();
    assert_eq!(count(&server.opened), 1);
}

#[test]
fn of_many_connections_that_the_server_closed_one_is_tried() {
    let (pool, server, _) = pool(3, 3, None);
    pool.transact(Access::Read, |_| pool.transact(Access::Read, |_| read(&pool))).unwrap();
    assert_eq!(count(&server.opened), 3);
    server.lost.store(3, Ordering::SeqCst);
    for _ in 0..2 {
        read(&pool).unwrap();
        assert_eq!((count(&server.opened), count(&server.tried)), (4, 1));
    }
    // All places are free again.
    pool.transact(Access::Read, |_| pool.transact(Access::Read, |_| read(&pool))).unwrap();
    assert_eq!(count(&server.opened), 6);
}

#[test]
fn connections_that_the_server_closed_are_replaced_before_any_work() {
    let (pool, server, _) = pool(0, 10, None);
    read(&pool).unwrap();
    server.lost.store(1, Ordering::SeqCst);
    read(&pool).unwrap();
    assert_eq!((count(&server.opened), count(&server.closed)), (2, 0));
}

#[test]
fn what_was_read_stays_read_and_what_was_written_does_not() {
    for (access, outcome) in [(Access::Read, Ok(5)), (Access::Write, Err(StoreError::busy("lost")))] {
        let (pool, server, _) = pool(1, 1, None);
        let work = |_: &mut dyn Connection| {
            server.lost.store(1, Ordering::SeqCst);
            Ok(5)
        };
        assert_eq!(pool.transact(access, work), outcome);
        read(&pool).unwrap();
        assert_eq!((count(&server.opened), count(&server.tried)), (2, 0));
    }
}

#[test]
fn failed_work_is_rolled_back_and_its_connection_kept() {
    let (pool, server, _) = pool(0, 10, None);
    let failed: Result<()> = pool.transact(Access::Write, |_| Err(StoreError::not_found()));
    assert_eq!(failed, Err(StoreError::not_found()));
    read(&pool).unwrap();
    assert_eq!((count(&server.opened), count(&server.rolled_back), count(&server.committed)), (1, 1, 1));
}

#[test]
fn server_that_is_down_leaves_room_for_the_next_try() {
    let (pool, server, _) = pool(1, 1, None);
    server.is_down.store(true, Ordering::SeqCst);
    assert_eq!(read(&pool).unwrap_err().message, "down");
    server.is_down.store(false, Ordering::SeqCst);
    read(&pool).unwrap();
}

#[test]
fn panic_in_a_transaction_gives_its_connection_up() {
    let (pool, server, _) = pool(1, 1, None);
    let work = || pool.transact(Access::Write, |_| -> Result<()> { panic!("on purpose") });
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_err();
    read(&pool).unwrap();
    assert_eq!((count(&server.opened), count(&server.committed)), (2, 1));
}
