//! A connection to MySQL.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, Error, Params};
use steeple_clock::{Clock, Elapsed};
use steeple_store::{ErrorClass, StoreError};

use super::errors::{judge, unconnected};
use super::target::Target;
use super::values::{MySqlRow, to_wire};
use crate::connection::{Connection, Result, Row, Value, unexpected};
use crate::dialect::Dialect;
use crate::pool::{
    Access, BEGIN, CONNECT, Connect, GOODBYE, SCHEMA, STATEMENT, Session as PoolSession, lost, uncertain, unreachable,
};
use crate::waiter::Waiter;

/// Connects to `target`.
pub(crate) fn connector(target: Target, clock: Clock) -> Box<dyn Connect> {
    Box::new(move || Ok(Box::new(Session::open(&target, clock.clone())?) as _))
}

/// A connection to MySQL.
pub(crate) struct Session {
    waiter: Waiter,
    /// `None` once it is closed.
    driver: Option<Conn>,
    /// Longest wait for an answer, if the connection string says one.
    patience: Option<Duration>,
    /// Longest wait for a statement of this transaction.
    limit: Duration,
    writes: bool,
    is_broken: bool,
    place: String,
}

/// Why a statement failed.
enum Failure {
    /// What its caller made of a row.
    Ours(StoreError),
    /// What the server or the connection to it said.
    Theirs(Error),
}

type Outcome<T> = std::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Theirs(error)
    }
}

impl Session {
    /// Connects to `target`.
    ///
    /// # Errors
    /// [`StoreError`] that names the server and the way out.
    pub(crate) fn open(target: &Target, clock: Clock) -> Result<Self> {
        let place = target.place();
        let refused = |reason: String| unreachable(&place, reason);
        let waiter = Waiter::new(clock).map_err(|error| refused(error.to_string()))?;
        let limit = target.connect_timeout().unwrap_or(CONNECT);
        let connect = |with_tls| -> Result<std::result::Result<Conn, Error>> {
            let wrong = |reason| StoreError::new(ErrorClass::Malformed, format!("datastore-sql: {reason}"));
            let options = target.options(with_tls).map_err(wrong)?;
            // The driver looks for a runtime while it connects and when a connection is dropped.
            let connected = waiter.wait(limit, async { Conn::new(options).await });
            connected.map_err(|_| refused(format!("no answer within {} s", limit.as_secs())))
        };
        let mut connected = connect(true)?;
        if let Err(Error::Driver(DriverError::NoClientSslFlagFromServer)) = connected
            && target.may_be_plain()
        {
            connected = connect(false)?;
        }
        let driver = connected.map_err(|error| unconnected(&error, &place))?;
        let patience = target.read_timeout();
        let limit = patience.unwrap_or(STATEMENT);
        Ok(Self { waiter, driver: Some(driver), patience, limit, writes: false, is_broken: false, place })
    }

    /// Version of the server, such as `10.11.14-MariaDB-0+deb12u2`.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn server_version(&mut self) -> Result<String> {
        let mut version = String::new();
        self.query("SELECT VERSION()", &[], &mut |row| {
            row.text(0)?.clone_into(&mut version);
            Ok(())
        })?;
        Ok(version)
    }

    /// Runs statements without values.
    fn simple(&mut self, statements: &str, limit: Duration) -> Result<()> {
        self.drive(limit, async |driver| Ok(driver.query_drop(statements).await?))
    }

    /// Runs a statement with values, without a look at its rows.
    fn change(&mut self, statement: &str, values: &[Value<'_>]) -> Result<(u64, Option<u64>)> {
        let values = params(values);
        self.drive(self.limit, async |driver| {
            driver.exec_drop(statement, values.clone()).await?;
            Ok((driver.affected_rows(), driver.last_insert_id()))
        })
    }

    fn drive<T>(&mut self, limit: Duration, work: impl AsyncFnOnce(&mut Conn) -> Outcome<T>) -> Result<T> {
        let Some(driver) = &mut self.driver else { return Err(lost(&self.place, "it was closed")) };
        let outcome: std::result::Result<Outcome<T>, Elapsed> = self.waiter.wait(limit, work(driver));
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failure::Ours(error))) => Err(error),
            Ok(Err(Failure::Theirs(error))) => {
                let (error, is_broken) = judge(&error, &self.place);
                self.is_broken |= is_broken;
                Err(error)
            }
            Err(_) => {
                self.is_broken = true;
                Err(lost(&self.place, "the server did not answer in time"))
            }
        }
    }
}

fn params(values: &[Value<'_>]) -> Params {
    if values.is_empty() { Params::Empty } else { Params::Positional(values.iter().map(to_wire).collect()) }
}

impl Connection for Session {
    fn dialect(&self) -> Dialect {
        Dialect::MySql
    }

    fn writes(&self) -> bool {
        self.writes
    }

    fn query(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<()>,
    ) -> Result<()> {
        let values = params(values);
        self.drive(self.limit, async |driver| {
            let mut rows = driver.exec_iter(statement, values).await?;
            let mut outcome = Ok(());
            while let Some(row) = rows.next().await? {
                outcome = each(&MySqlRow(&row));
                if outcome.is_err() {
                    break;
                }
            }
            rows.drop_result().await?;
            outcome.map_err(Failure::Ours)
        })
    }

    fn execute(&mut self, statement: &str, values: &[Value<'_>]) -> Result<usize> {
        let (rows, _) = self.change(statement, values)?;
        Ok(usize::try_from(rows).unwrap_or(usize::MAX))
    }

    fn insert(&mut self, statement: &str, values: &[Value<'_>]) -> Result<i64> {
        let (_, id) = self.change(statement, values)?;
        let id = id.and_then(|id| i64::try_from(id).ok());
        id.ok_or_else(|| unexpected("a new row has no ID"))
    }
}

impl PoolSession for Session {
    fn begin(&mut self, access: Access) -> Result<()> {
        self.writes = access != Access::Read;
        self.limit = self.patience.unwrap_or(if access == Access::Schema { SCHEMA } else { STATEMENT });
        // A write sees what others commit while it waits for its turn, its first statement, and locks no gaps between rows.
        let statements = match access {
            Access::Read => {
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
            }
            Access::Write | Access::Schema => {
                "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION READ WRITE"
            }
        };
        self.simple(statements, BEGIN)
    }

    fn commit(&mut self) -> Result<()> {
        self.simple("COMMIT", self.limit).map_err(|error| if self.is_broken { uncertain(&error) } else { error })
    }

    fn roll_back(&mut self) -> Result<()> {
        self.simple("ROLLBACK", BEGIN)
    }

    fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn close(mut self: Box<Self>) {
        if let Some(driver) = self.driver.take() {
            let _too_late = self.waiter.wait(GOODBYE, driver.disconnect());
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The driver would say goodbye in a task of the runtime that it finds.
        self.waiter.bury(self.driver.take());
    }
}
