//! MariaDB.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;

use crate::account::Account;
use crate::keeper::Keeper;
use crate::postgres::output;
use crate::{Pki, Session, peer};

const READY: &str = "ready for connections";
/// Losing data by a crash of the machine is no matter in a test. What an operator may have relaxed is relaxed.
const OPTIONS: [&str; 5] = [
    "--sql-mode=",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--performance-schema=OFF",
];

/// A running server.
pub struct MariaDb {
    keeper: Keeper,
    port: u16,
    databases: AtomicUsize,
}

impl MariaDb {
    /// The programs that this needs.
    pub const PEERS: [&str; 3] = ["mariadbd", "mariadb-install-db", "mariadb"];

    /// One server for all tests of a program, which ends with it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn shared() -> Result<&'static Self> {
        static SERVER: Mutex<Option<&'static MariaDb>> = Mutex::new(None);
        let mut server = SERVER.lock().map_err(|_| anyhow::anyhow!("the server did not start for another test"))?;
        match *server {
            Some(server) => Ok(server),
            None => Ok(server.insert(Box::leak(Box::new(Self::start()?)))),
        }
    }

    /// Starts a server on a Unix socket.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start() -> Result<Self> {
        let (folder, account) = prepare()?;
        let mut server = server(&folder, account)?;
        server.arg("--skip-networking");
        Self::run(folder, &server, 0)
    }

    /// Starts a server on a port of 127.0.0.1 too, where the user `spire` comes in with a certificate of `pki` alone. Its own is
    /// for `localhost`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_tls(pki: &Pki) -> Result<Self> {
        let (folder, account) = prepare()?;
        let own = pki.issue("server")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = server(&folder, account)?;
        server.args(["--bind-address=127.0.0.1".to_owned(), format!("--port={port}")]);
        for (option, from) in [("ssl-cert", &own.certificate), ("ssl-key", &own.key), ("ssl-ca", &pki.authority())] {
            let file = folder.join(option);
            std::fs::copy(from, &file)?;
            account.give(&file)?;
            server.arg(format!("--{option}={}", file.display()));
        }
        let started = Self::run(folder, &server, port)?;
        started.run_sql("mysql", "CREATE USER spire REQUIRE X509; GRANT ALL ON *.* TO spire")?;
        Ok(started)
    }

    /// Starts a server on a port of 127.0.0.1 too, where the user `spire` comes in without TLS.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_plain() -> Result<Self> {
        let (folder, account) = prepare()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = server(&folder, account)?;
        server.args(["--bind-address=127.0.0.1".to_owned(), format!("--port={port}"), "--skip-ssl".to_owned()]);
        let started = Self::run(folder, &server, port)?;
        started.run_sql("mysql", "CREATE USER spire; GRANT ALL ON *.* TO spire")?;
        Ok(started)
    }

    fn run(folder: PathBuf, server: &Command, port: u16) -> Result<Self> {
        Ok(Self { keeper: Keeper::start(folder, server, "KILL", READY)?, port, databases: AtomicUsize::new(0) })
    }

    /// The port on 127.0.0.1, if it has one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes an empty database and returns its name.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_database(&self) -> Result<String> {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::SeqCst));
        self.run_sql("mysql", &format!("CREATE DATABASE {name}"))?;
        Ok(name)
    }

    /// Makes a copy of `database` and returns its name.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn copy_database(&self, database: &str) -> Result<String> {
        let name = self.create_database()?;
        for table in self.run_sql(database, "SHOW TABLES")?.lines() {
            let copy = format!(
                "CREATE TABLE {table} LIKE {database}.{table}; INSERT INTO {table} SELECT * FROM {database}.{table}"
            );
            self.run_sql(&name, &copy)?;
        }
        Ok(name)
    }

    /// How `database` is reached over the socket.
    pub fn connection_string(&self, database: &str) -> String {
        format!("root@unix({})/{database}?parseTime=true", self.socket().display())
    }

    /// Runs statements and returns the rows, a line each, with tabs between the columns.
    ///
    /// # Errors
    /// With what the server said.
    pub fn run_sql(&self, database: &str, statements: &str) -> Result<String> {
        let mut command = self.client(database)?;
        command.args(["-e", statements]);
        output(command)
    }

    /// A session on `database`.
    ///
    /// # Errors
    /// When the client does not start.
    pub fn session(&self, database: &str) -> Result<Session> {
        let mut command = self.client(database)?;
        command.arg("--unbuffered");
        Session::start(command, |text| format!("SELECT '{text}';"))
    }

    fn client(&self, database: &str) -> Result<Command> {
        let mut command = Command::new(peer::path("mariadb")?);
        command.arg("--no-defaults").arg(format!("--socket={}", self.socket().display()));
        command.args(["--user=root", "--batch", "--raw", "--skip-column-names", database]);
        Ok(command)
    }

    /// The statements that make the tables of `database`, by name.
    ///
    /// # Errors
    /// With what went wrong.
    pub fn dump_schema(&self, database: &str) -> Result<String> {
        let mut dump = String::new();
        for table in self.run_sql(database, "SHOW TABLES")?.lines() {
            let shown = self.run_sql(database, &format!("SHOW CREATE TABLE {table}"))?;
            let (_, statement) = shown.split_once('\t').unwrap_or_default();
            dump = dump + statement.trim_end() + ";\n";
        }
        Ok(dump)
    }

    /// The server's socket.
    pub fn socket(&self) -> PathBuf {
        self.keeper.folder().join("sql.sock")
    }
}

fn server(folder: &std::path::Path, account: Account) -> Result<Command> {
    let mut server = account.command(&peer::path("mariadbd")?);
    server.arg("--no-defaults");
    for (option, file) in [("datadir", "data"), ("socket", "sql.sock"), ("pid-file", "pid"), ("tmpdir", "")] {
        server.arg(format!("--{option}={}", folder.join(file).display()));
    }
    server.args(OPTIONS);
    Ok(server)
}

/// A folder with new system tables.
fn prepare() -> Result<(PathBuf, Account)> {
    let account = Account::of("mysql");
    let folder = tempfile::Builder::new().prefix("my").tempdir()?;
    account.give(folder.path())?;
    let mut command = account.command(&peer::path("mariadb-install-db")?);
    command.arg("--no-defaults").arg(format!("--datadir={}", folder.path().join("data").display()));
    // Several of these at once get in each other's way where they share a folder for temporary tables.
    command.arg(format!("--tmpdir={}", folder.path().display()));
    command.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
    command.args(OPTIONS);
    output(command)?;
    Ok((folder.keep(), account))
}
