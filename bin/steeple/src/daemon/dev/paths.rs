//! Where everything is in the state folder, and the configurations that are written there.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::bail;
use steeple_agent::config::AgentConfig;
use steeple_server::config::ServerConfig;
use steeple_types::TrustDomain;

use crate::commands::SPIRE_VERSION;

/// Where everything is.
pub(super) struct Paths {
    folder: PathBuf,
    server_data: PathBuf,
    server_config: PathBuf,
    agent_config: PathBuf,
    pub(super) server_socket: PathBuf,
    pub(super) agent_socket: PathBuf,
    pub(super) agent_data: PathBuf,
    pub(super) log: PathBuf,
}

impl Paths {
    pub(super) fn of(folder: &Path) -> Self {
        Self {
            server_data: folder.join("server/data"),
            server_config: folder.join("server/server.conf"),
            agent_config: folder.join("agent/agent.conf"),
            server_socket: folder.join("server/private/api.sock"),
            agent_socket: folder.join("agent/public/api.sock"),
            agent_data: folder.join("agent/data"),
            log: folder.join("steeple.log"),
            folder: folder.to_owned(),
        }
    }

    /// Makes the folders, for this user alone.
    pub(super) fn make(&self) -> anyhow::Result<()> {
        // The longest of the paths of sockets, which the system limits.
        if self.server_socket.as_os_str().len() > 107 {
            bail!("{} is too long for the path of a socket", self.server_socket.display());
        }
        for folder in [&self.folder, &self.server_data, &self.agent_data] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        self.check_owner()
    }

    /// Refuses a folder in which somebody else could put other keys in the place of ours.
    fn check_owner(&self) -> anyhow::Result<()> {
        let (found, folder) = (std::fs::metadata(&self.folder)?, self.folder.display());
        let own = rustix::process::geteuid().as_raw();
        if found.uid() != own {
            bail!("{folder} belongs to uid {}, not to uid {own}", found.uid());
        }
        if found.mode() & 0o022 != 0 {
            bail!("others may write to {folder} (mode {:04o}): chmod go-w {folder}", found.mode() & 0o7777);
        }
        Ok(())
    }

    /// Refuses a folder in which an earlier run had another trust domain.
    pub(super) fn check_trust_domain(&self, wanted: &TrustDomain) -> anyhow::Result<()> {
        let Ok(text) = std::fs::read(&self.server_config) else { return Ok(()) };
        let earlier: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        match earlier.pointer("/server/trust_domain").and_then(serde_json::Value::as_str) {
            Some(found) if found != wanted.name() => bail!(
                "{} belongs to trust domain {found}, not {wanted}: choose another folder with --state-dir DIR, \
                 or go on with --trust-domain {found}",
                self.folder.display(),
            ),
            _ => Ok(()),
        }
    }

    pub(super) fn server_config(&self, trust_domain: &TrustDomain, port: u16) -> anyhow::Result<ServerConfig> {
        let data = &self.server_data;
        let text = serde_json::json!({
            "server": {
                "bind_address": "127.0.0.1", "bind_port": port, "socket_path": self.server_socket,
                "trust_domain": trust_domain.name(), "data_dir": data,
            },
            "plugins": {
                "DataStore": { "sql": { "plugin_data": {
                    "database_type": "sqlite3", "connection_string": data.join("datastore.sqlite3") } } },
                "KeyManager": { "disk": { "plugin_data": { "keys_path": data.join("keys.json") } } },
                "NodeAttestor": { "join_token": { "plugin_data": {} } },
            },
        });
        std::fs::write(&self.server_config, serde_json::to_string_pretty(&text)?)?;
        Ok(steeple_server::config::load(&self.server_config.to_string_lossy(), None, &BTreeMap::default())?)
    }

    pub(super) fn agent_config(
        &self,
        trust_domain: &TrustDomain,
        port: u16,
        token: &str,
    ) -> anyhow::Result<AgentConfig> {
        let data = &self.agent_data;
        let text = serde_json::json!({
            "agent": {
                "server_address": "127.0.0.1", "server_port": port, "socket_path": self.agent_socket,
                "trust_domain": trust_domain.name(), "data_dir": data, "insecure_bootstrap": true,
                "experimental": { "sync_interval": "1s" },
            },
            "plugins": {
                "KeyManager": { "disk": { "plugin_data": { "directory": data } } },
                "NodeAttestor": { "join_token": { "plugin_data": {} } },
                "WorkloadAttestor": { "unix": { "plugin_data": {} } },
            },
        });
        std::fs::write(&self.agent_config, serde_json::to_string_pretty(&text)?)?;
        let flags = [("join_token", token.to_owned())].into();
        Ok(steeple_agent::config::load(&self.agent_config.to_string_lossy(), None, &flags, SPIRE_VERSION)?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn state_is_for_its_user_alone_and_for_one_trust_domain() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::of(&folder.path().join("state"));
        paths.make().unwrap();
        let mode = std::fs::metadata(&paths.folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let (one, two) = (TrustDomain::parse("one.example").unwrap(), TrustDomain::parse("two.example").unwrap());
        paths.check_trust_domain(&one).unwrap();
        paths.server_config(&one, 8081).unwrap();
        paths.check_trust_domain(&one).unwrap();
        let said = paths.check_trust_domain(&two).unwrap_err().to_string();
        assert!(said.contains("belongs to trust domain one.example, not two.example"), "{said}");
        assert!(said.contains("--state-dir DIR, or go on with --trust-domain one.example"), "{said}");
    }

    #[test]
    fn folder_to_which_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, is_taken) in [(0o777, false), (0o1777, false), (0o720, false), (0o755, true), (0o700, true)] {
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let made = Paths::of(folder.path()).make();
            assert_eq!(made.is_ok(), is_taken, "{mode:o}");
            if let Err(error) = made {
                assert!(error.to_string().contains("chmod go-w"), "{error}");
            }
        }
    }

    #[test]
    fn folder_too_deep_for_a_socket_is_refused() {
        let said = Paths::of(Path::new(&format!("/tmp/{}", "x".repeat(100)))).make().unwrap_err().to_string();
        assert!(said.contains("too long for the path of a socket"), "{said}");
    }
}
