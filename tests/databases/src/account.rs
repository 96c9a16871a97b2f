//! The account that a database server runs as: not root, which servers refuse.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Debian's `nobody` and `nogroup`.
const NOBODY: (u32, u32) = (65_534, 65_534);

/// An account of this machine; `None` is that of the test itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account(Option<(u32, u32)>);

impl Account {
    /// The account `name` when the test runs as root, or nobody's if there is none of that name.
    pub(crate) fn of(name: &str) -> Self {
        if !rustix::process::getuid().is_root() {
            return Self(None);
        }
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let found = accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            let is_it = fields.next() == Some(name);
            let (user, group) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            is_it.then_some((user, group))
        });
        Self(Some(found.unwrap_or(NOBODY)))
    }

    /// The command that runs `program` as this account.
    pub(crate) fn command(self, program: &Path) -> Command {
        let Some((user, group)) = self.0 else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]).arg(program);
        command
    }

    /// Gives a file or folder to this account alone.
    pub(crate) fn give(self, path: &Path) -> Result<()> {
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        if let Some((user, group)) = self.0 {
            chown(path, Some(user), Some(group)).with_context(|| format!("giving {} away", path.display()))?;
        }
        Ok(())
    }
}
