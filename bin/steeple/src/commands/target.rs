//! Which socket a command talks to, from flags and environment (SPIRE's order of choice).

use std::path::Path;
use std::time::Duration;

use steeple_client::{connect_unix, connect_unix_as};
use tonic::transport::Channel;

use super::env::Env;
use super::failure::Failure;
use super::goflag::FlagSet;

pub(super) const SERVER_API: &str = "/tmp/spire-server/private/api.sock";
const WORKLOAD_API: &str = "/tmp/spire-agent/public/api.sock";
pub(super) const AGENT_ADMIN: &str = "/tmp/spire-agent/private/admin.sock";
const SERVER_TEMPLATE: &str = "SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE";
const AGENT_TEMPLATE: &str = "SPIRE_AGENT_PUBLIC_SOCKET_TEMPLATE";

/// SPIRE's commands wait without end for a server; a command that hangs for ten minutes will not come back.
const PATIENCE: Duration = Duration::from_mins(10);
const WORKLOAD_PATIENCE: Duration = Duration::from_secs(5);

/// Whom a command talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The server's private socket.
    ServerApi,
    /// The agent's Workload API.
    WorkloadApi,
    /// The agent's Workload API, for as long as the user wants.
    WorkloadStream,
    /// The health service on the agent's public socket.
    AgentHealth,
    /// The agent's admin socket.
    AgentAdmin,
}

impl Target {
    /// What stands before the text of a failure.
    pub(crate) fn failure_prefix(self) -> &'static str {
        match self {
            Self::ServerApi | Self::AgentAdmin => "Error: ",
            Self::WorkloadApi | Self::WorkloadStream => "",
            Self::AgentHealth => "Agent is unhealthy: ",
        }
    }

    fn default_path(self) -> &'static str {
        match self {
            Self::ServerApi => SERVER_API,
            Self::WorkloadApi | Self::WorkloadStream | Self::AgentHealth => WORKLOAD_API,
            Self::AgentAdmin => AGENT_ADMIN,
        }
    }
}

/// The flags that choose the socket, and how long to wait on it.
pub(crate) struct SocketFlags {
    target: Target,
    path: String,
    instance: String,
    /// How long a call may take; zero is for ever.
    pub(crate) timeout: Duration,
}

impl SocketFlags {
    /// Nothing given.
    pub(crate) fn new(target: Target) -> Self {
        let timeout = match target {
            Target::WorkloadApi => WORKLOAD_PATIENCE,
            Target::WorkloadStream => Duration::ZERO,
            Target::ServerApi | Target::AgentHealth | Target::AgentAdmin => PATIENCE,
        };
        Self { target, path: target.default_path().to_owned(), instance: String::new(), timeout }
    }

    /// Adds them.
    pub(crate) fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.path, &["socketPath"], "Socket of the API.");
        if self.target != Target::AgentAdmin {
            let usage = "Instance that stands for %i in the socket template (SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE or \
                         SPIRE_AGENT_PUBLIC_SOCKET_TEMPLATE).";
            flags.text(&mut self.instance, &["instance"], usage);
        }
        if self.target == Target::WorkloadApi {
            flags.timeout(&mut self.timeout, &["timeout"], "How long to wait for an answer.");
        }
    }

    /// The channel to the socket that was chosen.
    pub(crate) fn connect(&self, env: &Env) -> Result<Channel, Failure> {
        let path = self.resolve(env)?;
        Ok(match self.target {
            Target::ServerApi | Target::AgentAdmin => connect_unix_as(Path::new(&path), format!("//{path}")),
            Target::WorkloadApi | Target::WorkloadStream | Target::AgentHealth => {
                let path = std::path::absolute(&path).map_err(|error| Failure(format!("{path}: {error}")))?;
                connect_unix(&path)
            }
        })
    }

    fn resolve(&self, env: &Env) -> Result<String, Failure> {
        let (template_name, undefined) = match self.target {
            Target::AgentAdmin => {
                return Ok(if self.path.is_empty() { AGENT_ADMIN.to_owned() } else { self.path.clone() });
            }
            Target::ServerApi => {
                (SERVER_TEMPLATE, format!("you must define {SERVER_TEMPLATE} to use the instance flag"))
            }
            Target::WorkloadApi | Target::WorkloadStream | Target::AgentHealth => (
                AGENT_TEMPLATE,
                format!(" {AGENT_TEMPLATE} environment variable must be defined when using the instance flag"),
            ),
        };
        let template = env.var(template_name);
        let from_environment = env.var(template_name.trim_end_matches("_TEMPLATE"));
        if !self.instance.is_empty() {
            if template.is_empty() {
                return Err(undefined.into());
            }
            if !template.contains("%i") {
                return Err(format!("failed to find %i in {template_name}").into());
            }
        }
        Ok(if self.path != self.target.default_path() {
            self.path.clone()
        } else if !self.instance.is_empty() {
            template.replace("%i", &self.instance)
        } else if !from_environment.is_empty() {
            from_environment.to_owned()
        } else {
            self.path.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::env;

    fn resolve(target: Target, arguments: &[&str], vars: &[(&str, &str)]) -> Result<String, Failure> {
        let mut env = env().0;
        env.vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut socket = SocketFlags::new(target);
        let mut flags = FlagSet::new();
        socket.flags(&mut flags);
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        flags.parse(&arguments).unwrap();
        socket.resolve(&env)
    }

    #[test]
    fn the_socket_is_chosen_in_spires_order() {
        let vars = [
            ("SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE", "/run/%i.sock"),
            ("SPIRE_SERVER_PRIVATE_SOCKET", "/run/env.sock"),
        ];
        assert_eq!(resolve(Target::ServerApi, &[], &[]), Ok(SERVER_API.to_owned()));
        assert_eq!(resolve(Target::ServerApi, &[], &vars), Ok("/run/env.sock".to_owned()));
        assert_eq!(resolve(Target::ServerApi, &["-instance", "a"], &vars), Ok("/run/a.sock".to_owned()));
        assert_eq!(resolve(Target::ServerApi, &["-socketPath", "/x", "-instance", "a"], &vars), Ok("/x".to_owned()));
        assert_eq!(resolve(Target::WorkloadApi, &[], &vars), Ok(WORKLOAD_API.to_owned()));
        assert_eq!(resolve(Target::AgentAdmin, &["-socketPath", ""], &vars), Ok(AGENT_ADMIN.to_owned()));
    }

    #[test]
    fn an_instance_wants_a_template() {
        assert_eq!(
            resolve(Target::ServerApi, &["-instance", "a"], &[]),
            Err("you must define SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE to use the instance flag".into())
        );
        assert_eq!(
            resolve(Target::WorkloadApi, &["-instance", "a"], &[("SPIRE_AGENT_PUBLIC_SOCKET_TEMPLATE", "/x")]),
            Err("failed to find %i in SPIRE_AGENT_PUBLIC_SOCKET_TEMPLATE".into())
        );
    }
}
