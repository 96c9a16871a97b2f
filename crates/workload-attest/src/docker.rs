//! `docker`: labels, environment and image of the container that a process runs in, for Docker and podman.

mod daemon;
mod locator;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use steeple_clock::Clock;
use steeple_plugin::{ErrorClass, Occupant, Place, PluginError, WorkloadAttestor};
use steeple_types::Selector;

use self::daemon::{Container, Daemon, DaemonError};
use self::locator::Engine;
use crate::{KIND, container};

const NAME: &str = "docker";
/// A container can be running a moment before its daemon knows it.
const RETRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What the `docker` attestor is told by its configuration.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// Directory under which `proc` is: `/`.
    pub root: PathBuf,
    /// Socket of the Docker daemon, `unix://…` (`docker_socket_path`).
    pub docker_socket_path: String,
    /// Version of the Docker API to call, if not the daemon's own (`docker_version`).
    pub docker_version: Option<String>,
    /// Socket of podman run by root, `unix://…` (`podman_socket_path`).
    pub podman_socket_path: String,
    /// Socket of podman run by another user, whose uid stands for `%d` (`podman_socket_path_template`).
    pub podman_socket_path_template: String,
}

impl Default for DockerConfig {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/"),
            docker_socket_path: "unix:///var/run/docker.sock".into(),
            docker_version: None,
            podman_socket_path: "unix:///run/podman/podman.sock".into(),
            podman_socket_path_template: "unix:///run/user/%d/podman/podman.sock".into(),
        }
    }
}

/// Attests by what the container daemon says of the container whose cgroup a process is in.
pub struct Docker {
    config: DockerConfig,
    clock: Clock,
}

impl Docker {
    /// An attestor that asks the daemons that `config` names.
    ///
    /// # Errors
    /// [`PluginError`] for a socket template that has not exactly one `%d`.
    pub fn new(config: DockerConfig, clock: Clock) -> Result<Self, PluginError> {
        check_template(&config.podman_socket_path_template).map_err(|reason| {
            let message = format!("invalid podman_socket_path_template: {reason}");
            PluginError::new(KIND, NAME, ErrorClass::Malformed, message)
        })?;
        Ok(Self { config, clock })
    }

    fn daemon(&self, engine: Engine) -> Daemon {
        match engine {
            Engine::Docker => Daemon::new(&self.config.docker_socket_path, self.config.docker_version.as_deref()),
            Engine::Podman { owner: None } => Daemon::new(&self.config.podman_socket_path, None),
            Engine::Podman { owner: Some(uid) } => {
                let template = self.config.podman_socket_path_template.replacen("%d", &uid.to_string(), 1);
                Daemon::new(&template.replace("%%", "%"), None)
            }
        }
    }

    async fn container(&self, daemon: &Daemon, id: &str) -> Result<Container, DaemonError> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..RETRIES {
            if let Ok(container) = daemon.container(id).await {
                return Ok(container);
            }
            self.clock.sleep(pause).await;
            pause *= 2;
        }
        daemon.container(id).await
    }
}

#[async_trait]
impl WorkloadAttestor for Docker {
    fn name(&self) -> &str {
        NAME
    }

    async fn attest(&self, pid: u32) -> Result<Vec<Selector>, PluginError> {
        let Some(found) = locator::locate(&self.config.root, pid).map_err(|error| crate::unlocated(NAME, &error))?
        else {
            return Ok(Vec::new());
        };
        let daemon = self.daemon(found.engine);
        let container = self
            .container(&daemon, &found.container_id)
            .await
            .map_err(|error| PluginError::new(KIND, NAME, ErrorClass::Unavailable, error.to_string()))?;
        let mut values: Vec<String> =
            container.labels.iter().map(|(label, value)| format!("label:{label}:{value}")).collect();
        values.extend(container.env.iter().map(|variable| format!("env:{variable}")));
        if !container.image.is_empty() {
            values.push(format!("image_id:{}", container.image));
            // SPIRE gives what else it knows when the image can't be looked at; so do we.
            if let Ok(digest) = daemon.image_id(&container.image).await
                && !digest.is_empty()
            {
                values.push(format!("image_config_digest:{digest}"));
            }
        }
        Ok(crate::selectors(NAME, values))
    }

    async fn find(&self, place: &Place) -> Result<Option<Occupant>, PluginError> {
        let Place::Container(id) = place else { return Ok(None) };
        let root = &self.config.root;
        let mut pids =
            container::pids(root).map_err(|error| crate::internal(NAME, format!("{}: {error}", root.display())))?;
        // Processes come and go meanwhile, and those of conflicting cgroups are nobody's.
        pids.retain(|pid| {
            locator::locate(root, *pid).ok().flatten().is_some_and(|found| found.container_id.starts_with(id.as_str()))
        });
        crate::found(NAME, &format!("container {id}"), pids)
    }
}

fn check_template(template: &str) -> Result<(), &'static str> {
    let mut uids = 0;
    let mut chars = template.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            continue;
        }
        match chars.next() {
            Some('%') => {}
            Some('d') => uids += 1,
            Some(_) => return Err("template only supports escaped %% or the %d UID placeholder"),
            None => return Err("trailing % at end of template"),
        }
    }
    if uids == 1 { Ok(()) } else { Err("template must contain exactly one %d UID placeholder") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_has_one_uid() {
        assert!(check_template("unix:///run/%%/%d.sock").is_ok());
        for bad in ["unix:///run", "%d%d", "%s", "%d%"] {
            assert!(check_template(bad).is_err(), "{bad}");
        }
    }
}
