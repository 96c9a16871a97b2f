//! What the contract does not say of databases on servers: their schema, how one gets in, and what becomes of a transaction whose
//! connection breaks off.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod access;
mod events;
mod loss;
mod migration;
mod proxy;
mod replica;
mod schema;
mod tls;

use std::path::{Path, PathBuf};

use steeple_clock::Clock;
use steeple_store::StoreError;
use steeple_store_sql::{SqlBackend, SqlConfig};
use steeple_tests_databases::{MariaDb, Postgres, Session, missing};

/// A server of either engine.
#[derive(Clone, Copy)]
enum Server {
    Postgres(&'static Postgres),
    MySql(&'static MariaDb),
}

impl Server {
    fn kind(self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::MySql(_) => "mysql",
        }
    }

    fn create_database(self) -> String {
        match self {
            Self::Postgres(server) => server.create_database(),
            Self::MySql(server) => server.create_database(),
        }
        .unwrap()
    }

    fn copy_database(self, database: &str) -> String {
        match self {
            Self::Postgres(server) => server.copy_database(database),
            Self::MySql(server) => server.copy_database(database),
        }
        .unwrap()
    }

    fn connection_string(self, database: &str) -> String {
        match self {
            Self::Postgres(server) => server.connection_string(database),
            Self::MySql(server) => server.connection_string(database),
        }
    }

    fn config(self, database: &str) -> SqlConfig {
        SqlConfig::new(self.kind(), self.connection_string(database))
    }

    fn open(self, database: &str) -> Result<SqlBackend, StoreError> {
        SqlBackend::open(&self.config(database), Clock::system())
    }

    fn sql(self, database: &str, statements: &str) -> String {
        match self {
            Self::Postgres(server) => server.run_sql(database, statements),
            Self::MySql(server) => server.run_sql(database, statements),
        }
        .unwrap()
        .trim()
        .to_owned()
    }

    fn session(self, database: &str) -> Session {
        match self {
            Self::Postgres(server) => server.session(database),
            Self::MySql(server) => server.session(database),
        }
        .unwrap()
    }

    /// The server's socket.
    fn socket(self) -> PathBuf {
        match self {
            Self::Postgres(server) => server.socket(),
            Self::MySql(server) => server.socket(),
        }
    }

    /// How `database` is reached at another socket in `folder`, and what that is called.
    fn elsewhere(self, database: &str, folder: &Path) -> (String, PathBuf) {
        let own = self.socket();
        let socket = folder.join(own.file_name().unwrap());
        let place = |socket: &Path| match self {
            Self::Postgres(_) => socket.parent().unwrap().display().to_string(),
            Self::MySql(_) => socket.display().to_string(),
        };
        (self.connection_string(database).replace(&place(&own), &place(&socket)), socket)
    }

    /// Ends all connections to `database`.
    fn disconnect(self, database: &str) {
        match self {
            Self::Postgres(_) => {
                let end = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity";
                self.sql("postgres", &format!("{end} WHERE datname = '{database}'"));
            }
            Self::MySql(_) => {
                let list = "SELECT id FROM information_schema.processlist";
                for id in self.sql("mysql", &format!("{list} WHERE db = '{database}'")).lines() {
                    self.sql("mysql", &format!("KILL {id}"));
                }
            }
        }
    }
}

fn postgres() -> Option<Server> {
    (!missing(&Postgres::PEERS).unwrap()).then(|| Server::Postgres(Postgres::shared().unwrap()))
}

fn mysql() -> Option<Server> {
    (!missing(&MariaDb::PEERS).unwrap()).then(|| Server::MySql(MariaDb::shared().unwrap()))
}

fn golden(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name)).unwrap()
}

/// Makes a `#[test]` of each function for each engine.
macro_rules! on_servers {
    ($($name:ident),* $(,)?) => {
        crate::on_servers! { @ postgres: $($name),* }
        crate::on_servers! { @ mysql: $($name),* }
    };
    (@ $engine:ident: $($name:ident),*) => {
        mod $engine {
            $(#[test]
            fn $name() {
                if let Some(server) = crate::$engine() {
                    super::$name(server);
                }
            })*
        }
    };
}
pub(crate) use on_servers;
