//! A SPIFFE agent of either product: its configuration, life and command line.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{self, Outcome};
use crate::poll;
use crate::process::Process;
use crate::product::Product;
use crate::server::Server;

/// How an agent proves its node.
#[derive(Debug, Clone)]
pub enum Join {
    /// By a join token.
    Token(String),
    /// By a certificate and its key, PEM files.
    X509pop {
        /// The certificate, and intermediates after it.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// What a scenario changes in an agent's configuration.
#[derive(Debug, Clone)]
pub struct AgentSettings {
    /// How it proves its node.
    pub join: Join,
    /// Lines inside `agent { }`.
    pub lines: String,
    /// Further plugins, whole blocks.
    pub plugins: String,
    /// Environment variables of the process.
    pub environment: Vec<(String, String)>,
    /// The port at which it reaches its server; the server's own if not set.
    pub port: Option<u16>,
    /// As in production and to be measured: it logs at INFO and syncs as often as it does by default.
    pub measured: bool,
}

impl AgentSettings {
    /// An agent that joins so, with the attestor `unix` alone.
    pub fn new(join: Join) -> Self {
        Self {
            join,
            lines: String::new(),
            plugins: String::new(),
            environment: Vec::new(),
            port: None,
            measured: false,
        }
    }
}

/// An agent that may be stopped and started again on the same state.
#[derive(Debug)]
pub struct Agent {
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    socket: PathBuf,
    trust_domain: String,
    process: Option<Process>,
}

impl Agent {
    /// Writes the configuration and the trust bundle; starts nothing.
    ///
    /// # Errors
    /// When the server does not tell its bundle or a file cannot be written.
    pub(crate) fn prepare(product: Product, folder: &Path, server: &Server, settings: &AgentSettings) -> Result<Self> {
        let bundle = folder.join("bootstrap.pem");
        std::fs::write(&bundle, server.ok(&["bundle", "show"])?)?;
        let config = folder.join("agent.conf");
        let socket = folder.join("pub/agent.sock");
        std::fs::write(&config, configuration(folder, server, &socket, &bundle, settings))?;
        let mut arguments = vec!["run".to_owned(), "-config".to_owned(), config.display().to_string()];
        if let Join::Token(token) = &settings.join {
            arguments.extend(["-joinToken".to_owned(), token.clone()]);
        }
        let program = product.program("spire-agent", folder)?;
        let environment = settings.environment.clone();
        let (log, trust_domain) = (folder.join("agent.log"), server.trust_domain().to_owned());
        Ok(Self { program, arguments, environment, log, socket, trust_domain, process: None })
    }

    /// Starts the process without waiting for anything.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&mut self) -> Result<()> {
        let mut run = Command::new(&self.program);
        run.args(&self.arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.process = Some(Process::start(&mut run, &self.log)?);
        Ok(())
    }

    /// Starts the agent and waits until it says it is healthy.
    ///
    /// # Errors
    /// When it ends or does not get healthy.
    pub fn start(&mut self) -> Result<()> {
        self.spawn()?;
        poll::until("a healthy agent", || {
            if let Some(exit) = self.process.as_mut().context("not started")?.ended()? {
                bail!("the agent ended with {exit}");
            }
            Ok((self.cli(&["healthcheck"])?.exit == 0).then_some(()))
        })
    }

    /// Waits until the agent ends by itself; returns the exit status.
    ///
    /// # Errors
    /// When it goes on.
    pub fn await_end(&mut self) -> Result<i32> {
        let process = self.process.as_mut().context("the agent is not running")?;
        poll::until("the agent's end", || process.ended())
    }

    /// Ends it with SIGTERM; returns the exit status.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<i32> {
        self.process.take().context("the agent is not running")?.stop()
    }

    /// Ends it as a power failure would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().context("the agent is not running")?.kill()
    }

    /// The agent's process id.
    ///
    /// # Errors
    /// When it does not run.
    pub fn id(&self) -> Result<u32> {
        Ok(self.process.as_ref().context("the agent is not running")?.id())
    }

    /// The path of the Workload API's socket.
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

    /// Leaves out the join token at the next start, as a unit file would.
    pub fn forget_token(&mut self) {
        self.arguments.truncate(3);
    }

    /// Is the other product's agent from the next start on, with the same configuration and the same state.
    ///
    /// # Errors
    /// When that product is absent.
    pub fn become_of(&mut self, product: Product, folder: &Path) -> Result<()> {
        self.program = product.program("spire-agent", folder)?;
        Ok(())
    }

    /// The path of the program, to be called as a workload.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs one of its own commands, `-socketPath` added.
    ///
    /// # Errors
    /// When the command cannot start.
    pub fn cli(&self, arguments: &[&str]) -> Result<Outcome> {
        command::outcome(Command::new(&self.program).args(arguments).arg("-socketPath").arg(&self.socket))
    }

    /// What `api fetch x509` gives to this very user: each SVID as JSON, none when denied.
    ///
    /// # Errors
    /// When the command prints no JSON.
    pub fn x509_svids(&self) -> Result<Vec<Value>> {
        let answer = self.x509_answer()?;
        Ok(answer.get("svids").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// The whole answer of the Workload API to this very user; null when denied.
    ///
    /// # Errors
    /// When the command prints no JSON.
    pub fn x509_answer(&self) -> Result<Value> {
        let outcome = self.cli(&["api", "fetch", "x509", "-output", "json"])?;
        if outcome.exit != 0 {
            return Ok(Value::Null);
        }
        serde_json::from_str(&outcome.stdout).with_context(|| format!("fetch: {outcome}"))
    }

    /// Waits until this very user has the identity `path`; returns its SVID as JSON.
    ///
    /// # Errors
    /// When it does not come.
    pub fn await_svid(&self, path: &str) -> Result<Value> {
        let id = self.id_of(path);
        poll::until(&id, || {
            Ok(self.x509_svids()?.into_iter().find(|svid| svid.get("spiffe_id") == Some(&id.as_str().into())))
        })
    }

    /// Waits until this very user no longer has the identity `path`.
    ///
    /// # Errors
    /// When it stays.
    pub fn await_no_svid(&self, path: &str) -> Result<()> {
        let id = self.id_of(path);
        poll::until(&format!("no more {id}"), || {
            Ok(self.x509_svids()?.iter().all(|svid| svid.get("spiffe_id") != Some(&id.as_str().into())).then_some(()))
        })
    }

    fn id_of(&self, path: &str) -> String {
        format!("spiffe://{}/{path}", self.trust_domain)
    }
}

fn configuration(folder: &Path, server: &Server, socket: &Path, bundle: &Path, settings: &AgentSettings) -> String {
    let (port, trust_domain) = (settings.port.unwrap_or(server.port()), server.trust_domain());
    let data = folder.join("agent");
    let attestor = match &settings.join {
        Join::Token(_) => "NodeAttestor \"join_token\" { plugin_data {} }".to_owned(),
        Join::X509pop { certificate, key } => format!(
            "NodeAttestor \"x509pop\" {{ plugin_data {{\n    certificate_path = {certificate:?}\n    private_key_path = {key:?}\n  }} }}"
        ),
    };
    let closely = "  log_level = \"DEBUG\"\n  experimental { sync_interval = \"1s\" }";
    let pace = if settings.measured { "  log_level = \"INFO\"" } else { closely };
    let (lines, plugins, admin) = (&settings.lines, &settings.plugins, folder.join("adm/admin.sock"));
    format!(
        r#"agent {{
  data_dir = {data:?}
{pace}
  server_address = "127.0.0.1"
  server_port = {port}
  socket_path = {socket:?}
  admin_socket_path = {admin:?}
  trust_domain = "{trust_domain}"
  trust_bundle_path = {bundle:?}
{lines}
}}
plugins {{
  KeyManager "disk" {{ plugin_data {{ directory = {data:?} }} }}
  {attestor}
  WorkloadAttestor "unix" {{ plugin_data {{}} }}
{plugins}
}}
"#
    )
}
