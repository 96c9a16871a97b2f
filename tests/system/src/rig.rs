//! A server and an agent of ours as processes, in a folder of their own.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::golden::{Outcome, Sockets};

/// The trust domain of the rig, that of the records.
pub const TRUST_DOMAIN: &str = "rig.example";
const PATIENCE: Duration = Duration::from_secs(20);

/// A running pair; both end when it is dropped.
pub struct Rig {
    folder: TempDir,
    programs: Vec<Child>,
}

impl Rig {
    /// Starts a server and an agent that joins it with a token, and registers the entries of the records.
    ///
    /// # Errors
    /// When the binary is not built, or the pair is not up within 20 seconds.
    pub fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let binary = binary()?;
        for name in ["spire-server", "spire-agent"] {
            symlink(&binary, folder.path().join(name))?;
        }
        let mut rig = Self { folder, programs: Vec::new() };
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        rig.launch("spire-server", &["run", "-config", &rig.server_config(port)?])?;
        rig.wait("spire-server", "healthcheck")?;
        let token = rig.server("token generate", &format!("-spiffeID spiffe://{TRUST_DOMAIN}/host"))?;
        let token = token.trim().strip_prefix("Token: ").context("no token")?.to_owned();
        for entry in 0..4 {
            let user = if entry == 0 { uid() } else { 60_000 + entry };
            let flags = format!(
                "-parentID spiffe://{TRUST_DOMAIN}/host -spiffeID spiffe://{TRUST_DOMAIN}/w{entry} \
                 -selector unix:uid:{user} -hint h{entry}"
            );
            rig.server("entry create", &flags)?;
        }
        rig.launch("spire-agent", &["run", "-config", &rig.agent_config(port)?, "-joinToken", &token])?;
        rig.wait("spire-agent", "api fetch x509")?;
        Ok(rig)
    }

    /// Where the pair listens.
    pub fn sockets(&self) -> Sockets {
        let path = |name: &str| self.path(name).display().to_string();
        Sockets { server: path("server.sock"), workload: path("public/api.sock"), admin: path("private/admin.sock") }
    }

    /// Runs `spire-server` or `spire-agent` to its end, without standard input.
    ///
    /// # Errors
    /// When it can't start.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, program: &str, arguments: &[S]) -> Result<Outcome> {
        let output = Command::new(self.path(program)).args(arguments).stdin(Stdio::null()).output()?;
        Ok(Outcome {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    fn server(&self, words: &str, flags: &str) -> Result<String> {
        let socket = self.sockets().server;
        let line = format!("{words} -socketPath {socket} {flags}");
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let outcome = self.run("spire-server", &arguments)?;
        if outcome.exit != 0 {
            bail!("{line}: {outcome:?}");
        }
        Ok(outcome.stdout)
    }

    fn launch(&mut self, program: &str, arguments: &[&str]) -> Result<()> {
        let log = fs::File::create(self.path(&format!("{program}.log")))?;
        let errors = log.try_clone()?;
        let child = Command::new(self.path(program))
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()?;
        self.programs.push(child);
        Ok(())
    }

    /// Repeats a command until it succeeds.
    fn wait(&self, program: &str, words: &str) -> Result<()> {
        let sockets = self.sockets();
        let socket = if program == "spire-server" { &sockets.server } else { &sockets.workload };
        let line = format!("{words} -socketPath {socket}");
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let end = Instant::now() + PATIENCE;
        loop {
            let outcome = self.run(program, &arguments)?;
            if outcome.exit == 0 {
                return Ok(());
            }
            if Instant::now() > end {
                let log = fs::read_to_string(self.path(&format!("{program}.log")))?;
                bail!("{program} is not up: {outcome:?}\n{log}");
            }
            sleep(Duration::from_millis(50));
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn server_config(&self, port: u16) -> Result<String> {
        let folder = self.folder.path().display();
        self.write(
            "server.conf",
            &format!(
                r#"server {{
  bind_address = "127.0.0.1"
  bind_port = {port}
  trust_domain = "{TRUST_DOMAIN}"
  data_dir = "{folder}/server"
  socket_path = "{folder}/server.sock"
  log_level = "DEBUG"
  ca_ttl = "5m"
  default_x509_svid_ttl = "30s"
}}
plugins {{
  DataStore "sql" {{ plugin_data {{ database_type = "sqlite3" connection_string = "{folder}/server/db.sqlite3" }} }}
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "memory" {{ plugin_data {{}} }}
}}
"#
            ),
        )
    }

    fn agent_config(&self, port: u16) -> Result<String> {
        let folder = self.folder.path().display();
        self.write(
            "agent.conf",
            &format!(
                r#"agent {{
  data_dir = "{folder}/agent"
  server_address = "127.0.0.1"
  server_port = {port}
  trust_domain = "{TRUST_DOMAIN}"
  socket_path = "{folder}/public/api.sock"
  admin_socket_path = "{folder}/private/admin.sock"
  insecure_bootstrap = true
  log_level = "DEBUG"
}}
plugins {{
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "memory" {{ plugin_data {{}} }}
  WorkloadAttestor "unix" {{ plugin_data {{}} }}
}}
"#
            ),
        )
    }

    fn write(&self, name: &str, text: &str) -> Result<String> {
        fs::create_dir_all(self.path("server"))?;
        fs::create_dir_all(self.path("agent"))?;
        let path = self.path(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for program in self.programs.iter_mut().rev() {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

/// The caller's user ID.
pub fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// The binary beside the tests.
///
/// # Errors
/// When it is not built.
pub fn binary() -> Result<PathBuf> {
    let tests = std::env::current_exe()?;
    let folder = tests.parent().and_then(Path::parent).context("no target folder")?;
    let binary = folder.join("steeple");
    if !binary.exists() {
        bail!("{} is not there: run `cargo build -p steeple` first", binary.display());
    }
    Ok(binary)
}
