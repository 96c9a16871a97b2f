//! The node of a cluster of this machine.

use std::process::Command;

use anyhow::{Result, bail};

use crate::cluster::Cluster;
use crate::outcome::Outcome;

/// A node whose processes and files are in reach.
#[derive(Clone, Copy, Debug)]
pub struct Node<'c>(&'c Cluster);

impl<'c> Node<'c> {
    pub(crate) const fn of(cluster: &'c Cluster) -> Self {
        Self(cluster)
    }

    /// A command to be run on the node, beside the test.
    pub fn command(self, words: &[&str]) -> Command {
        self.0.command(&[&["exec"], words].concat())
    }

    /// Runs a command on the node.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn exec(self, words: &[&str]) -> Result<Outcome> {
        Outcome::of(&mut self.command(words), "")
    }

    /// Kills the processes whose command line begins with `command`.
    ///
    /// # Errors
    /// When there is none.
    pub fn kill(self, command: &str) -> Result<()> {
        self.script(&format!("pkill -KILL -f '^{command}'"))
    }

    /// Kills the kubelet and starts it again as it was.
    ///
    /// # Errors
    /// When there is none, or it does not start.
    pub fn restart_kubelet(self) -> Result<()> {
        self.script(RESTART_KUBELET)
    }

    fn script(self, script: &str) -> Result<()> {
        let outcome = self.exec(&["bash", "-c", script])?;
        if outcome.exit != 0 {
            bail!("{script}: {outcome}");
        }
        Ok(())
    }
}

const RESTART_KUBELET: &str = r#"
set -eu
pid=$(pgrep -o -x kubelet)
mapfile -d '' -t line </proc/$pid/cmdline
log=$(readlink /proc/$pid/fd/1)
kill -KILL "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
setsid "${line[@]}" >>"$log" 2>&1 </dev/null &
"#;
