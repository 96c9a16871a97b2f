//! A server and agents that tests start, kill and start again over the same files.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::golden::Outcome;
use crate::rig::{TRUST_DOMAIN, binary, uid};

/// Longest that anything may take; what works takes a fraction of it.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The files of a server and of agents, with nothing running yet.
pub struct Pair {
    folder: TempDir,
    port: u16,
    /// Lines for the `server` block.
    pub server_lines: String,
    /// Blocks beside the `server` block.
    pub server_blocks: String,
    /// Lines for the `agent` block.
    pub agent_lines: String,
    /// Blocks beside the `agent` block.
    pub agent_blocks: String,
    /// How the agent trusts its server at first: lines for the `agent` block.
    pub agent_trust: String,
    /// The plugin that attests workloads.
    pub workload_attestor: &'static str,
    /// Variables of the server's environment.
    pub server_environment: Vec<(&'static str, String)>,
    /// Variables of the agent's environment.
    pub agent_environment: Vec<(&'static str, String)>,
    /// The agent's half of the node attestor.
    pub node_attestor: String,
    /// Plugins of the server besides the usual ones.
    pub server_plugins: String,
    /// Where the server keeps its database and keys; below the folder unless a test says otherwise.
    pub server_data: PathBuf,
    /// The server's keys; in `server_data` unless a test says otherwise.
    pub server_keys: PathBuf,
    /// Keys of the server's datastore; an SQLite file in `server_data` unless a test says otherwise.
    pub datastore: Option<String>,
}

/// A running program; it is killed when it is dropped.
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Pair {
    /// A place for a server, without keys or database yet.
    ///
    /// # Errors
    /// When the folder or a free port can't be had.
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server_data = folder.path().join("server");
        fs::create_dir(&server_data)?;
        let server_keys = server_data.join("keys.json");
        Ok(Self {
            folder,
            port,
            server_lines: String::new(),
            server_blocks: String::new(),
            agent_lines: String::new(),
            agent_blocks: String::new(),
            agent_trust: "insecure_bootstrap = true".to_owned(),
            workload_attestor: "unix",
            server_environment: Vec::new(),
            agent_environment: Vec::new(),
            node_attestor: "NodeAttestor \"join_token\" { plugin_data {} }".to_owned(),
            server_plugins: String::new(),
            server_data,
            server_keys,
            datastore: None,
        })
    }

    /// The port of the server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The server's database.
    pub fn database(&self) -> PathBuf {
        self.server_data.join("db.sqlite3")
    }

    /// Where the agent `name` keeps what it remembers.
    pub fn agent_data(&self, name: &str) -> PathBuf {
        self.path(name)
    }

    /// Starts the server and waits until it is healthy.
    ///
    /// # Errors
    /// With its log when it ends or is not healthy in time.
    pub fn start_server(&self) -> Result<Program> {
        let mut program = self.launch_server()?;
        program.wait_for(|| Ok(self.server("healthcheck", &[])?.exit == 0))?;
        Ok(program)
    }

    /// Starts the server, whatever becomes of it.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn launch_server(&self) -> Result<Program> {
        let (data, lines) = (self.server_data.display(), &self.server_lines);
        let socket = self.path("server.sock");
        let sqlite = || format!("database_type = \"sqlite3\" connection_string = \"{data}/db.sqlite3\"");
        let datastore = self.datastore.clone().unwrap_or_else(sqlite);
        let config = format!(
            r#"server {{
  bind_address = "127.0.0.1"
  bind_port = {port}
  trust_domain = "{TRUST_DOMAIN}"
  data_dir = "{data}"
  socket_path = "{socket}"
  log_level = "DEBUG"
  ratelimit {{ attestation = false }}
  {lines}
}}
plugins {{
  DataStore "sql" {{ plugin_data {{ {datastore} }} }}
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "disk" {{ plugin_data {{ keys_path = "{keys}" }} }}
  {plugins}
}}
{blocks}"#,
            plugins = self.server_plugins,
            blocks = self.server_blocks,
            port = self.port,
            socket = socket.display(),
            keys = self.server_keys.display(),
        );
        self.launch("server", "server", &config, &[])
    }

    /// Starts the agent `name` and waits until a workload has its SVID from it.
    ///
    /// # Errors
    /// With its log when it ends or serves nothing in time.
    pub fn start_agent(&self, name: &str, token: Option<&str>) -> Result<Program> {
        let mut program = self.launch_agent(name, token)?;
        program.wait_for(|| Ok(self.fetch(name)?.exit == 0))?;
        Ok(program)
    }

    /// Starts another program of the binary, whatever becomes of it.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start_other(&self, program: &str, arguments: &[String]) -> Result<Program> {
        let log = self.path(&format!("{program}.log"));
        let file = fs::File::create(&log)?;
        let mut command = Command::new(binary()?);
        command.arg(program).args(arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Program { child: command.spawn()?, log })
    }

    /// Fetches X.509-SVIDs at a socket.
    ///
    /// # Errors
    /// When the command can't be started.
    pub fn fetch_at(&self, socket: &Path) -> Result<Outcome> {
        run("agent", "api fetch x509", socket, &["-timeout", "2s"])
    }

    /// Starts the agent `name`, whatever becomes of it.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn launch_agent(&self, name: &str, token: Option<&str>) -> Result<Program> {
        let data = self.agent_data(name);
        fs::create_dir_all(&data)?;
        let config = format!(
            r#"agent {{
  data_dir = "{data}"
  server_address = "127.0.0.1"
  server_port = {port}
  trust_domain = "{TRUST_DOMAIN}"
  socket_path = "{socket}"
  {trust}
  log_level = "DEBUG"
  {lines}
}}
plugins {{
  {node_attestor}
  KeyManager "disk" {{ plugin_data {{ directory = "{data}" }} }}
  WorkloadAttestor "{attestor}" {{ plugin_data {{}} }}
}}
{blocks}"#,
            trust = self.agent_trust,
            node_attestor = self.node_attestor,
            attestor = self.workload_attestor,
            lines = self.agent_lines,
            blocks = self.agent_blocks,
            data = data.display(),
            port = self.port,
            socket = self.socket(name).display(),
        );
        let token: Vec<&str> = token.into_iter().flat_map(|token| ["-joinToken", token]).collect();
        self.launch(name, "agent", &config, &token)
    }

    /// Makes a join token for the agent `name`, and registers this user's workload under it.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn admit(&self, name: &str) -> Result<String> {
        let node = format!("spiffe://{TRUST_DOMAIN}/node/{name}");
        let token = self.token(&["-spiffeID", &node])?;
        let (workload, selector) = (format!("spiffe://{TRUST_DOMAIN}/workload/{name}"), format!("unix:uid:{}", uid()));
        let entry = ["-parentID", &node, "-spiffeID", &workload, "-selector", &selector];
        let created = self.server("entry create", &entry)?;
        if created.exit != 0 && !created.stderr.contains("AlreadyExists") {
            bail!("entry create: {created:?}");
        }
        Ok(token)
    }

    /// Makes a join token.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn token(&self, flags: &[&str]) -> Result<String> {
        let outcome = self.server("token generate", flags)?;
        let token = outcome.stdout.lines().next().and_then(|line| line.strip_prefix("Token: "));
        token.map(str::to_owned).with_context(|| format!("no token: {outcome:?}"))
    }

    /// Runs a command of the server to its end.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn server(&self, words: &str, flags: &[&str]) -> Result<Outcome> {
        run("server", words, &self.path("server.sock"), flags)
    }

    /// Fetches the X.509-SVIDs of this user from the agent `name`.
    ///
    /// # Errors
    /// When the command can't be started.
    pub fn fetch(&self, name: &str) -> Result<Outcome> {
        self.workload(name, "api fetch x509", &["-timeout", "2s"])
    }

    /// Runs a command of the agent `name` to its end.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn workload(&self, name: &str, words: &str, flags: &[&str]) -> Result<Outcome> {
        run("agent", words, &self.socket(name), flags)
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}-api/api.sock"))
    }

    fn launch(&self, name: &str, program: &str, config: &str, flags: &[&str]) -> Result<Program> {
        let path = self.path(&format!("{name}.conf"));
        fs::write(&path, config)?;
        let log = self.path(&format!("{name}.log"));
        let file = fs::File::create(&log)?;
        let mut command = Command::new(binary()?);
        command.args([program, "run", "-config"]).arg(path).args(flags);
        let environment = if program == "agent" { &self.agent_environment } else { &self.server_environment };
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Program { child: command.spawn()?, log })
    }
}

fn run(program: &str, words: &str, socket: &Path, flags: &[&str]) -> Result<Outcome> {
    let mut command = Command::new(binary()?);
    command.arg(program).args(words.split(' ')).arg("-socketPath").arg(socket).args(flags);
    let output = command.stdin(Stdio::null()).output()?;
    Ok(Outcome {
        exit: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

impl Program {
    /// Ends the program as a power cut would.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub fn kill(&mut self) -> Result<()> {
        let _gone_already = self.child.kill();
        self.child.wait()?;
        Ok(())
    }

    /// Asks the program to stop.
    ///
    /// # Errors
    /// When it is gone.
    pub fn terminate(&self) -> Result<()> {
        self.signal(rustix::process::Signal::TERM)
    }

    /// Sends the program a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        Ok(rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal)?)
    }

    /// Waits for the end of the program.
    ///
    /// # Errors
    /// With its log when it does not end.
    pub fn end(&mut self) -> Result<ExitStatus> {
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > limit {
                bail!("still running\n{}", self.log());
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// Whether the program ended already.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// What the program wrote on either stream.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The file that both streams go to.
    pub fn log_path(&self) -> PathBuf {
        self.log.clone()
    }

    /// Waits until `holds`.
    ///
    /// # Errors
    /// With the log when the program ends before, or in a minute it does not hold.
    pub fn wait_for(&mut self, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
        let limit = Instant::now() + PATIENCE;
        loop {
            if holds()? {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("ended with {status}\n{}", self.log());
            }
            if Instant::now() > limit {
                bail!("not in time\n{}", self.log());
            }
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _ended = self.child.wait();
    }
}
