//! A connection to PostgreSQL.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures::TryStreamExt;
use steeple_clock::{Clock, Elapsed};
use steeple_store::{ErrorClass, StoreError};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Error, Socket, Statement};

use super::errors::{judge, unconnected};
use super::secure::{Stream, Tls};
use super::target::Target;
use super::values::PostgresRow;
use crate::connection::{Connection, Result, Row, Value, unexpected};
use crate::dialect::Dialect;
use crate::pool::{
    Access, BEGIN, CONNECT, Connect, GOODBYE, LOCK, SCHEMA, SCHEMA_LOCK, SILENCE, STATEMENT, Session as PoolSession,
    lost, uncertain, unreachable,
};
use crate::waiter::Waiter;

/// After how long a silent connection is tested, how often, and how many times, so that a server that is gone is found out.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(15), Duration::from_secs(5), 3);
/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 100;

/// Connects to `target`.
pub(crate) fn connector(target: Target, clock: Clock) -> Box<dyn Connect> {
    Box::new(move || Ok(Box::new(Session::open(&target, clock.clone())?) as _))
}

/// A connection to PostgreSQL.
pub(crate) struct Session {
    waiter: Waiter,
    client: Client,
    wire: Wire,
    statements: HashMap<String, Statement>,
    /// Longest wait for a statement of this transaction.
    limit: Duration,
    writes: bool,
    /// Whether a statement of this transaction failed: PostgreSQL then takes a commit for the opposite, and says nothing.
    has_failed: bool,
    is_broken: bool,
    place: String,
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
        let tls = Tls::new(target).map_err(refused)?;
        let limit = target.connect_timeout.unwrap_or(CONNECT);
        let connected = waiter.wait(limit, async { config(target).connect(tls).await });
        let (client, connection) = connected
            .map_err(|_| refused(format!("no answer within {} s", limit.as_secs())))?
            .map_err(|error| unconnected(&error, &place))?;
        let wire = Wire { connection, has_ended: false };
        Ok(Self {
            waiter,
            client,
            wire,
            statements: HashMap::new(),
            limit: STATEMENT,
            writes: false,
            has_failed: false,
            is_broken: false,
            place,
        })
    }

    /// Version of the server, such as `15.18`.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn server_version(&mut self) -> Result<String> {
        let mut version = String::new();
        self.query("SHOW server_version", &[], &mut |row| {
            row.text(0)?.clone_into(&mut version);
            Ok(())
        })?;
        Ok(version)
    }

    /// Runs statements without values.
    fn simple(&mut self, statements: &str, limit: Duration) -> Result<()> {
        let Self { waiter, client, wire, .. } = self;
        let outcome = waiter.wait(limit, wire.driven(async { Ok(client.batch_execute(statements).await?) }));
        self.settle(outcome)
    }

    fn settle<T>(&mut self, outcome: std::result::Result<Outcome<T>, Elapsed>) -> Result<T> {
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failure::Ours(error))) => Err(error),
            Ok(Err(Failure::Theirs(error))) => {
                let (error, is_broken) = judge(&error, &self.place);
                self.has_failed = true;
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

fn config(target: &Target) -> Config {
    let mut config = Config::new();
    config.host(&target.host).port(target.port).user(&target.user);
    if let Some(password) = &target.password {
        config.password(password);
    }
    if let Some(database) = &target.database {
        config.dbname(database);
    }
    if let Some(name) = &target.application_name {
        config.application_name(name);
    }
    if let Some(options) = &target.options {
        config.options(options);
    }
    config.ssl_mode(if target.check.is_some() { SslMode::Require } else { SslMode::Disable });
    let (idle, interval, retries) = KEEPALIVE;
    config.keepalives_idle(idle).keepalives_interval(interval).keepalives_retries(retries);
    config.tcp_user_timeout(idle + interval * retries);
    config
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

/// The half of a connection that reads and writes.
struct Wire {
    connection: tokio_postgres::Connection<Socket, Stream>,
    has_ended: bool,
}

impl Wire {
    /// Does `work`, which waits for what this half reads.
    async fn driven<T>(&mut self, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            while !self.has_ended {
                match self.connection.poll_message(cx) {
                    // Notices of the server concern nobody.
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(Some(Err(error))) => {
                        self.has_ended = true;
                        return Poll::Ready(Err(error.into()));
                    }
                    Poll::Ready(None) => self.has_ended = true,
                    Poll::Pending => break,
                }
            }
            work.as_mut().poll(cx)
        })
        .await
    }
}

/// The statement `text`, prepared now or before.
async fn prepared(
    client: &Client,
    statements: &mut HashMap<String, Statement>,
    text: &str,
) -> std::result::Result<Statement, Error> {
    if let Some(statement) = statements.get(text) {
        return Ok(statement.clone());
    }
    let statement = client.prepare(&numbered(text)).await?;
    if statements.len() >= STATEMENTS {
        statements.clear();
    }
    statements.insert(text.to_owned(), statement.clone());
    Ok(statement)
}

/// Writes `?`, of which texts within statements have none, as `$1`, `$2` and so on.
fn numbered(statement: &str) -> String {
    let mut parts = statement.split('?');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (place, part) in parts.enumerate() {
        // Writing to a string can't fail.
        let _written = write!(text, "${}{part}", place + 1);
    }
    text
}

impl Connection for Session {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
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
        let Self { waiter, client, wire, statements, limit, .. } = self;
        let work = async {
            let statement = prepared(client, statements, statement).await?;
            let mut rows = pin!(client.query_raw(&statement, values).await?);
            while let Some(row) = rows.try_next().await? {
                each(&PostgresRow(&row)).map_err(Failure::Ours)?;
            }
            Ok(())
        };
        let outcome = waiter.wait(*limit, wire.driven(work));
        self.settle(outcome)
    }

    fn execute(&mut self, statement: &str, values: &[Value<'_>]) -> Result<usize> {
        let Self { waiter, client, wire, statements, limit, .. } = self;
        let work = async {
            let statement = prepared(client, statements, statement).await?;
            Ok(client.execute_raw(&statement, values).await?)
        };
        let outcome = waiter.wait(*limit, wire.driven(work));
        Ok(usize::try_from(self.settle(outcome)?).unwrap_or(usize::MAX))
    }

    fn insert(&mut self, statement: &str, values: &[Value<'_>]) -> Result<i64> {
        let mut id = None;
        self.query(&format!("{statement} RETURNING id"), values, &mut |row| {
            id = Some(row.integer(0)?);
            Ok(())
        })?;
        id.ok_or_else(|| unexpected("a new row has no ID"))
    }
}

impl PoolSession for Session {
    fn begin(&mut self, access: Access) -> Result<()> {
        self.writes = access != Access::Read;
        self.limit = if access == Access::Schema { SCHEMA } else { STATEMENT };
        // A write sees what others commit while it waits for its turn; its first statement is the turn.
        let writing = |lock: Duration| {
            format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = {}; \
                 SET LOCAL idle_in_transaction_session_timeout = {}",
                lock.as_millis(),
                SILENCE.as_millis()
            )
        };
        let outcome = match access {
            Access::Read => self.simple("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", BEGIN),
            Access::Write => self.simple(&writing(LOCK), BEGIN),
            Access::Schema => self.simple(&writing(SCHEMA_LOCK), BEGIN),
        };
        self.has_failed = outcome.is_err();
        outcome
    }

    fn commit(&mut self) -> Result<()> {
        if self.has_failed {
            let message = "datastore-sql: a statement of the transaction failed, so nothing was written";
            return Err(StoreError::new(ErrorClass::Internal, message));
        }
        self.simple("COMMIT", self.limit).map_err(|error| if self.is_broken { uncertain(&error) } else { error })
    }

    fn roll_back(&mut self) -> Result<()> {
        self.simple("ROLLBACK", BEGIN)
    }

    fn is_broken(&self) -> bool {
        self.is_broken || self.wire.has_ended || self.client.is_closed()
    }

    fn close(self: Box<Self>) {
        let Self { waiter, client, mut wire, statements, .. } = *self;
        // Without a client the other half says goodbye and ends.
        drop((statements, client));
        let goodbye = poll_fn(|cx| {
            while !wire.has_ended {
                match wire.connection.poll_message(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(_) => wire.has_ended = true,
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(())
        });
        let _too_late = waiter.wait(GOODBYE, goodbye);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_values_are_numbered() {
        assert_eq!(numbered("SELECT 1"), "SELECT 1");
        assert_eq!(numbered("? IN (?, ?)"), "$1 IN ($2, $3)");
    }
}
