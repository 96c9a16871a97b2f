//! Configuration of the datastore: the keys of SPIRE's `DataStore "sql"` block.

use std::time::Duration;

use steeple_store::{ErrorClass, StoreError};

use crate::connection::Result;
use crate::mysql;
use crate::pool::Limits;

/// Most connections to a server, used and unused, unless the configuration says otherwise; SPIRE's figure.
const CONNECTIONS: i64 = 100;

/// Where the database is, and how to get in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SqlConfig {
    /// `sqlite3`, `postgres` or `mysql`; SPIRE's other types are refused by name.
    pub database_type: String,
    /// SQLite: a path, or a `file:` URI. PostgreSQL: keywords with values, or a URL. MySQL: a data source name. May hold a
    /// password.
    pub connection_string: String,
    /// The same of a replica that may be behind, for reads that need not be up to date; empty for none.
    pub ro_connection_string: String,
    /// File with the authorities of a MySQL server, PEM; empty for those of the system.
    pub root_ca_path: String,
    /// File with the client's certificate for a MySQL server, PEM; empty for none.
    pub client_cert_path: String,
    /// File with the key of that certificate, PEM; empty for none.
    pub client_key_path: String,
    /// Most connections at a time; no limit when it is 0 or less; 100 when it is not set.
    pub max_open_conns: Option<i64>,
    /// Most connections that are kept unused; 100 when it is not set.
    pub max_idle_conns: Option<i64>,
    /// How long a connection is used; for ever when it is 0 or not set.
    pub conn_max_lifetime: Option<Duration>,
    /// Leaves a schema that is older than ours as it is, and refuses it.
    pub disable_migration: bool,
}

/// What kind of database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
    MySql,
}

impl SqlConfig {
    /// A database of the type `database_type` at `connection_string`.
    pub fn new(database_type: impl Into<String>, connection_string: impl Into<String>) -> Self {
        Self { database_type: database_type.into(), connection_string: connection_string.into(), ..Self::default() }
    }

    /// An SQLite database in `connection_string`.
    pub fn sqlite(connection_string: impl Into<String>) -> Self {
        Self::new("sqlite3", connection_string)
    }

    /// Checks the configuration without opening anything.
    ///
    /// # Errors
    /// [`ErrorClass::Malformed`] with the reason.
    pub fn validate(&self) -> Result<()> {
        self.engine().map(drop)
    }

    pub(crate) fn engine(&self) -> Result<Engine> {
        let refuse = |reason: String| Err(StoreError::new(ErrorClass::Malformed, format!("datastore-sql: {reason}")));
        let engine = match self.database_type.as_str() {
            "" => return refuse("database_type must be set".to_owned()),
            "sqlite3" => Engine::Sqlite,
            "postgres" => Engine::Postgres,
            "mysql" => Engine::MySql,
            later @ ("aws_postgres" | "aws_mysql") => {
                let there = "\"sqlite3\", \"postgres\" and \"mysql\" are";
                return refuse(format!("database_type \"{later}\" is not available yet; {there}"));
            }
            unknown => return refuse(format!("unsupported database_type: {unknown}")),
        };
        if self.connection_string.is_empty() {
            return refuse("connection_string must be set".to_owned());
        }
        if engine == Engine::MySql {
            self.mysql(&self.connection_string)?;
            if !self.ro_connection_string.is_empty() {
                self.mysql(&self.ro_connection_string)?;
            }
        }
        Ok(engine)
    }

    pub(crate) fn mysql(&self, connection_string: &str) -> Result<mysql::Target> {
        let files = mysql::TlsFiles {
            root_ca: self.root_ca_path.clone(),
            client_cert: self.client_cert_path.clone(),
            client_key: self.client_key_path.clone(),
        };
        mysql::Target::parse(connection_string, files)
    }

    /// Whether keys are set that only MySQL has.
    pub(crate) fn has_tls_files(&self) -> bool {
        !(self.root_ca_path.is_empty() && self.client_cert_path.is_empty() && self.client_key_path.is_empty())
    }

    /// How many connections there may be.
    pub(crate) fn limits(&self) -> Limits {
        let count = |set: Option<i64>| usize::try_from(set.unwrap_or(CONNECTIONS)).unwrap_or(0);
        Limits {
            open: count(self.max_open_conns),
            idle: count(self.max_idle_conns),
            lifetime: self.conn_max_lifetime.filter(|lifetime| !lifetime.is_zero()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_opened_is_refused_by_name() {
        let text = |database_type: &str, connection_string: &str| {
            SqlConfig::new(database_type, connection_string).validate().map_err(|error| error.message)
        };
        assert_eq!(text("sqlite3", "x"), Ok(()));
        assert_eq!(text("postgres", "x=y"), Ok(()));
        assert_eq!(text("mysql", "/x?parseTime=true"), Ok(()));
        assert_eq!(text("", "x").unwrap_err(), "datastore-sql: database_type must be set");
        for engine in ["sqlite3", "postgres", "mysql"] {
            assert_eq!(text(engine, "").unwrap_err(), "datastore-sql: connection_string must be set");
        }
        assert_eq!(text("oracle", "x").unwrap_err(), "datastore-sql: unsupported database_type: oracle");
        assert!(text("aws_postgres", "x").unwrap_err().contains("\"aws_postgres\" is not available yet"));
    }

    #[test]
    fn both_connection_strings_of_mysql_are_checked() {
        let missing = "datastore-sql: invalid mysql config: missing parseTime=true param in connection_string";
        assert_eq!(SqlConfig::new("mysql", "/x").validate().unwrap_err().message, missing);
        let replica =
            SqlConfig { ro_connection_string: "/x".to_owned(), ..SqlConfig::new("mysql", "/x?parseTime=true") };
        assert_eq!(replica.validate().unwrap_err().message, missing);
    }

    #[test]
    fn limits_are_those_of_spire() {
        let limits = |open, idle, seconds| {
            let lifetime = Some(Duration::from_secs(seconds));
            let config = SqlConfig {
                max_open_conns: open,
                max_idle_conns: idle,
                conn_max_lifetime: lifetime,
                ..SqlConfig::default()
            };
            config.limits()
        };
        assert_eq!(limits(None, None, 0), Limits { open: 100, idle: 100, lifetime: None });
        let set = Limits { open: 0, idle: 2, lifetime: Some(Duration::from_mins(1)) };
        assert_eq!(limits(Some(-1), Some(2), 60), set);
    }
}
