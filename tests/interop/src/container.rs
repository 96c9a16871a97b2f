//! Container engines in a folder of their own, and the one image that runs in them.
//!
//! Neither engine has a network or pulls anything: the image is a static busybox made on the spot.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command;
use crate::peer;
use crate::poll;
use crate::process::Process;

/// The image that each engine is given.
pub const IMAGE: &str = "rig:1";

/// A running container engine.
#[derive(Debug)]
pub struct Engine {
    client: Vec<String>,
    /// The folder of the engine.
    folder: PathBuf,
    /// The socket of its Docker API.
    pub socket: PathBuf,
    daemon: Process,
}

impl Engine {
    /// Starts dockerd, with a containerd of its own.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn docker(folder: &Path) -> Result<Self> {
        let folder = folder.join("docker");
        std::fs::create_dir_all(&folder)?;
        let socket = folder.join("docker.sock");
        let mut dockerd = Command::new(peer::path("dockerd")?);
        dockerd.arg("--host").arg(url(&socket));
        for (flag, file) in
            [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid"), ("--config-file", "daemon.json")]
        {
            dockerd.arg(flag).arg(folder.join(file));
        }
        std::fs::write(folder.join("daemon.json"), "{}")?;
        // The machine's firewall and interfaces are left alone.
        dockerd.args(["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"]);
        let daemon = Process::start(&mut dockerd, &folder.with_extension("log"))?;
        let client = vec![peer::path("docker")?.display().to_string(), "--host".into(), url(&socket)];
        let engine = Self { client, folder, socket, daemon };
        poll::until_ok("an answering dockerd", || engine.call(&["version"]))?;
        engine.prepare(&["import", "-", IMAGE])?;
        Ok(engine)
    }

    /// Starts podman's service of the Docker API.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn podman(folder: &Path) -> Result<Self> {
        let folder = folder.join("podman");
        std::fs::create_dir_all(&folder)?;
        let socket = folder.join("podman.sock");
        let at = |name: &str| folder.join(name).display().to_string();
        let mut client = vec![peer::path("podman")?.display().to_string()];
        client.extend(["--root".into(), at("root"), "--runroot".into(), at("run"), "--tmpdir".into(), at("tmp")]);
        client.extend(
            ["--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file"].map(str::to_owned),
        );
        client.extend(["--storage-driver", "vfs"].map(str::to_owned));
        let (program, flags) = client.split_first().context("no program")?;
        let mut service = Command::new(program);
        service.args(flags).args(["system", "service", "--time=0"]).arg(url(&socket));
        let daemon = Process::start(&mut service, &folder.with_extension("log"))?;
        let engine = Self { client, folder, socket, daemon };
        poll::until_ok("podman's socket", || Ok(std::os::unix::net::UnixStream::connect(&engine.socket)?))?;
        engine.prepare(&["import", "-", IMAGE])?;
        Ok(engine)
    }

    /// Runs one command of the engine's client to its end.
    ///
    /// # Errors
    /// When it fails.
    pub fn call(&self, arguments: &[&str]) -> Result<String> {
        command::stdout(self.command()?.args(arguments))
    }

    /// The engine's client, without arguments.
    ///
    /// # Errors
    /// Never: a client has a program.
    fn command(&self) -> Result<Command> {
        let (program, flags) = self.client.split_first().context("no program")?;
        let mut command = Command::new(program);
        command.args(flags);
        Ok(command)
    }

    /// Runs `words` in a container that sees the files of `mounts` at the same place as the host; returns what it prints.
    ///
    /// # Errors
    /// When the container ends otherwise than well.
    pub fn run(&self, flags: &[&str], mounts: &[&Path], words: &[&str]) -> Result<String> {
        let mut run = self.command()?;
        run.args(["run", "--rm", "--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"])
            .args(flags);
        for mount in mounts {
            run.arg("--volume").arg(format!("{0}:{0}", mount.display()));
        }
        command::stdout(run.arg(IMAGE).args(words))
    }

    /// Imports an image of a root file system that holds busybox.
    fn prepare(&self, import: &[&str]) -> Result<()> {
        let root = self.folder.join("rootfs");
        std::fs::create_dir_all(root.join("bin"))?;
        std::fs::copy(peer::path("busybox")?, root.join("bin/busybox"))?;
        std::fs::create_dir_all(root.join("tmp"))?;
        let archive = self.folder.join("rootfs.tar");
        command::stdout(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg("."))?;
        let mut load = self.command()?;
        let output = load.args(import).stdin(std::fs::File::open(&archive)?).output()?;
        ensure!(output.status.success(), "{import:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A killed dockerd would leave its containerd and mounts behind.
        let _ = self.daemon.signal(rustix::process::Signal::TERM);
        let _ = poll::until("the engine's end", || self.daemon.ended());
    }
}

/// A Unix socket's address as engines write it.
fn url(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}
