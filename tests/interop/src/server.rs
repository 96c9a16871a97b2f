//! A SPIFFE server of either product: its configuration, life and command line.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{self, Outcome};
use crate::poll;
use crate::port::free_port;
use crate::process::Process;
use crate::product::Product;

/// What a scenario changes in a server's configuration.
#[derive(Debug, Clone, Default)]
pub struct ServerSettings {
    /// Lines inside `server { }`, for lifetimes.
    pub lines: String,
    /// A PEM file of authorities for the node attestor x509pop.
    pub x509pop_authorities: Option<PathBuf>,
    /// Environment variables of the process.
    pub environment: Vec<(String, String)>,
    /// The group of the process, if not that of the tests.
    pub group: Option<u32>,
    /// Keys of the datastore; an SQLite file when there are none.
    pub datastore: Option<String>,
    /// Further plugins, whole blocks.
    pub plugins: String,
    /// As in production and to be measured: it logs at INFO and limits no rates.
    pub measured: bool,
    /// It keeps an audit trail, which Go SPIRE can't.
    pub is_audited: bool,
}

/// A server that may be stopped and started again on the same state.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    socket: PathBuf,
    port: u16,
    trust_domain: String,
    environment: Vec<(String, String)>,
    group: Option<u32>,
    process: Option<Process>,
}

impl Server {
    /// Writes the configuration; starts nothing.
    ///
    /// # Errors
    /// When no port is free or a file cannot be written.
    pub(crate) fn prepare(
        product: Product,
        trust_domain: &str,
        folder: &Path,
        settings: &ServerSettings,
    ) -> Result<Self> {
        let port = free_port()?;
        let socket = folder.join("server.sock");
        let config = folder.join("server.conf");
        std::fs::write(&config, configuration(folder, port, &socket, trust_domain, settings))?;
        let program = product.program("spire-server", folder)?;
        let (trust_domain, environment) = (trust_domain.to_owned(), settings.environment.clone());
        let (log, group) = (folder.join("server.log"), settings.group);
        Ok(Self { program, config, log, socket, port, trust_domain, environment, group, process: None })
    }

    /// Starts the server and waits until it says it is healthy.
    ///
    /// # Errors
    /// When it ends or does not get healthy.
    pub fn start(&mut self) -> Result<()> {
        let mut run = Command::new(&self.program);
        run.arg("run").arg("-config").arg(&self.config);
        run.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(group) = self.group {
            run.gid(group);
        }
        self.process = Some(Process::start(&mut run, &self.log)?);
        poll::until("a healthy server", || {
            let process = self.process.as_mut().context("not started")?;
            if let Some(exit) = process.ended()? {
                bail!("the server ended with {exit}");
            }
            let health = command::outcome(Command::new(&self.program).arg("healthcheck").args(socket(&self.socket)))?;
            Ok((health.exit == 0).then_some(()))
        })
    }

    /// Ends it with SIGTERM; returns the exit status.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<i32> {
        self.process.take().context("the server is not running")?.stop()
    }

    /// Ends it as a power failure would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().context("the server is not running")?.kill()
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The SPIFFE ID of `path` in its trust domain.
    pub fn id_of(&self, path: &str) -> String {
        format!("spiffe://{}/{path}", self.trust_domain)
    }

    /// Lets the other product go on with its folder and database; it must not run.
    ///
    /// # Errors
    /// When the program is absent.
    pub fn become_of(&mut self, product: Product, folder: &Path) -> Result<()> {
        self.program = product.program("spire-server", folder)?;
        Ok(())
    }

    /// The TCP port of its API.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process id.
    ///
    /// # Errors
    /// When it does not run.
    pub fn id(&self) -> Result<u32> {
        Ok(self.process.as_ref().context("the server is not running")?.id())
    }

    /// The path of its private socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// All it has logged.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned())
    }

    /// Runs one of its own commands, `-socketPath` added.
    ///
    /// # Errors
    /// When the command cannot start.
    pub fn cli(&self, arguments: &[&str]) -> Result<Outcome> {
        command::outcome(Command::new(&self.program).args(arguments).args(socket(&self.socket)))
    }

    /// Runs a command that must end well; returns what it prints.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub fn ok(&self, arguments: &[&str]) -> Result<String> {
        let outcome = self.cli(arguments)?;
        if outcome.exit != 0 {
            bail!("{arguments:?}: {outcome}");
        }
        Ok(outcome.stdout)
    }

    /// Runs a command with `-output json` and reads what it prints.
    ///
    /// # Errors
    /// When it fails or prints no JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.ok(&[arguments, &["-output", "json"]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("{arguments:?} printed {text}"))
    }

    /// A fresh join token.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn token(&self, path: &str) -> Result<String> {
        let answer = self.json(&["token", "generate", "-spiffeID", &self.id_of(path)])?;
        Ok(answer.get("value").and_then(Value::as_str).context("no token")?.to_owned())
    }

    /// Creates the entry `path` under `parent` for processes with `selector`; returns its id.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn entry(&self, path: &str, parent: &str, selector: &str, more: &[&str]) -> Result<String> {
        let (id, parent) = (self.id_of(path), self.id_of(parent));
        let create = ["entry", "create", "-spiffeID", &id, "-parentID", &parent, "-selector", selector];
        let answer = self.json(&[&create, more].concat())?;
        let id = answer.pointer("/results/0/entry/id").and_then(Value::as_str);
        Ok(id.with_context(|| format!("no entry in {answer}"))?.to_owned())
    }

    /// What `agent list` says of each agent.
    ///
    /// # Errors
    /// When the command fails.
    pub fn agents(&self) -> Result<Vec<Value>> {
        let answer = self.json(&["agent", "list"])?;
        Ok(answer.get("agents").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// The SPIFFE ID of the only agent.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn only_agent(&self) -> Result<String> {
        let agents = self.agents()?;
        let [agent] = agents.as_slice() else { bail!("{} agents", agents.len()) };
        let path = agent.pointer("/id/path").and_then(Value::as_str).context("agent without a path")?;
        Ok(self.id_of(path.trim_start_matches('/')))
    }
}

fn socket(path: &Path) -> [&std::ffi::OsStr; 2] {
    ["-socketPath".as_ref(), path.as_os_str()]
}

fn configuration(folder: &Path, port: u16, socket: &Path, trust_domain: &str, settings: &ServerSettings) -> String {
    let data = folder.join("server");
    let x509pop = settings.x509pop_authorities.as_ref().map_or_else(String::new, |path| {
        format!("  NodeAttestor \"x509pop\" {{ plugin_data {{ ca_bundle_path = {path:?} }} }}\n")
    });
    let production = "  log_level = \"INFO\"\n  ratelimit { attestation = false, signing = false }";
    let level = if settings.measured { production } else { "  log_level = \"DEBUG\"" };
    let (lines, plugins, keys) = (&settings.lines, &settings.plugins, data.join("keys.json"));
    let sqlite = || format!("database_type = \"sqlite3\" connection_string = {:?}", data.join("datastore.sqlite3"));
    let datastore = settings.datastore.clone().unwrap_or_else(sqlite);
    let trail = || format!("audit {{ directory = {:?} }}\n", folder.join("audit"));
    let audit = if settings.is_audited { trail() } else { String::new() };
    format!(
        r#"server {{
  bind_address = "127.0.0.1"
  bind_port = "{port}"
  socket_path = {socket:?}
  trust_domain = "{trust_domain}"
  data_dir = {data:?}
{level}
{lines}
}}
plugins {{
  DataStore "sql" {{ plugin_data {{ {datastore} }} }}
  KeyManager "disk" {{ plugin_data {{ keys_path = {keys:?} }} }}
  NodeAttestor "join_token" {{ plugin_data {{}} }}
{x509pop}{plugins}}}
{audit}"#
    )
}
