//! PostgreSQL.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};

use crate::account::Account;
use crate::keeper::Keeper;
use crate::{Pki, Session, peer};

const READY: &str = "database system is ready to accept connections";
/// Losing data by a crash of the machine is no matter in a test.
const QUICK: [&str; 3] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/// A running server.
pub struct Postgres {
    keeper: Keeper,
    port: u16,
    databases: AtomicUsize,
}

impl Postgres {
    /// The programs that this needs.
    pub const PEERS: [&str; 4] = ["postgres", "initdb", "psql", "pg_dump"];

    /// One server for all tests of a program, which ends with it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn shared() -> Result<&'static Self> {
        static SERVER: Mutex<Option<&'static Postgres>> = Mutex::new(None);
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
        let mut server = account.command(&peer::path("postgres")?);
        server.arg("-D").arg(folder.join("data")).arg("-k").arg(&folder);
        server.args(["-c", "listen_addresses="]);
        Self::run(folder, server, 5432)
    }

    /// Starts a server on a port of 127.0.0.1 too, where it takes clients with certificates of `pki` alone. Its own is for
    /// `localhost`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_tls(pki: &Pki) -> Result<Self> {
        let (folder, account) = prepare()?;
        let own = pki.issue("server")?;
        let mut server = account.command(&peer::path("postgres")?);
        server.arg("-D").arg(folder.join("data")).arg("-k").arg(&folder);
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "ssl=on"]);
        for (setting, from) in
            [("ssl_cert_file", &own.certificate), ("ssl_key_file", &own.key), ("ssl_ca_file", &pki.authority())]
        {
            let file = folder.join(setting);
            std::fs::copy(from, &file)?;
            account.give(&file)?;
            server.arg("-c").arg(format!("{setting}={}", file.display()));
        }
        let rules = folder.join("data/pg_hba.conf");
        std::fs::write(&rules, "local all all trust\nhostssl all all all cert\n")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Self::run(folder, server, port)
    }

    fn run(folder: PathBuf, mut server: Command, port: u16) -> Result<Self> {
        server.arg("-p").arg(port.to_string());
        server.args(QUICK.iter().flat_map(|setting| ["-c", setting]));
        Ok(Self { keeper: Keeper::start(folder, &server, "QUIT", READY)?, port, databases: AtomicUsize::new(0) })
    }

    /// The port; the socket's name is made of it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's socket.
    pub fn socket(&self) -> PathBuf {
        self.keeper.folder().join(format!(".s.PGSQL.{}", self.port))
    }

    /// Makes an empty database and returns its name.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_database(&self) -> Result<String> {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::SeqCst));
        self.run_sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(name)
    }

    /// Makes a copy of `database`, which nobody may be using, and returns its name.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn copy_database(&self, database: &str) -> Result<String> {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::SeqCst));
        self.run_sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {database}"))?;
        Ok(name)
    }

    /// How `database` is reached over the socket.
    pub fn connection_string(&self, database: &str) -> String {
        format!("host={} port={} user=spire dbname={database}", self.keeper.folder().display(), self.port)
    }

    /// Runs statements and returns the rows of the last one, a line each, with bars between the columns.
    ///
    /// # Errors
    /// With what the server said.
    pub fn run_sql(&self, database: &str, statements: &str) -> Result<String> {
        let mut command = self.client("psql", database)?;
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", statements]);
        output(command)
    }

    /// A session on `database`.
    ///
    /// # Errors
    /// When the client does not start.
    pub fn session(&self, database: &str) -> Result<Session> {
        let mut command = self.client("psql", database)?;
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"]);
        Session::start(command, |text| format!("\\echo {text}"))
    }

    /// The statements that make the tables of `database`.
    ///
    /// # Errors
    /// With what went wrong.
    pub fn dump_schema(&self, database: &str) -> Result<String> {
        let mut command = self.client("pg_dump", database)?;
        command.args(["--schema-only", "--no-owner", "--no-privileges"]);
        output(command)
    }

    fn client(&self, program: &str, database: &str) -> Result<Command> {
        let mut command = Command::new(peer::path(program)?);
        command.arg("-h").arg(self.keeper.folder()).args(["-p", &self.port.to_string(), "-U", "spire", "-d", database]);
        Ok(command)
    }
}

/// A folder with a new cluster of databases.
fn prepare() -> Result<(PathBuf, Account)> {
    let account = Account::of("postgres");
    let folder = tempfile::Builder::new().prefix("pg").tempdir()?;
    account.give(folder.path())?;
    let data: &Path = &folder.path().join("data");
    let mut command = account.command(&peer::path("initdb")?);
    command.arg("-D").arg(data).args(["-U", "spire", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]);
    output(command)?;
    Ok((folder.keep(), account))
}

pub(crate) fn output(mut command: Command) -> Result<String> {
    let output = command.current_dir("/").output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
