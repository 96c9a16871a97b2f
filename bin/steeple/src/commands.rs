//! The commands of the program, under SPIRE's names and under its own.
//!
//! Called as `spire-server`, `spire-agent`, `spiffe-csi-driver` or `oidc-discovery-provider` (links to the binary) it is that
//! program; called otherwise, the first argument is the role: `steeple server entry show`.

mod agent;
mod audit;
mod authz;
mod call;
mod date;
mod dispatch;
mod env;
mod explain;
mod failure;
mod files;
mod goflag;
mod info;
mod logger;
mod output;
mod quote;
mod server;
mod target;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use dispatch::{HELP, Hook};
pub(crate) use env::Env;
pub(crate) use goflag::{FlagError, FlagSet};

use dispatch::{Kind, Program, Row};

/// The version in SPIRE's numbers, for tools that compare it, with our own at its end.
pub(crate) const SPIRE_VERSION: &str = concat!("1.16.0-steeple.", env!("CARGO_PKG_VERSION"));

/// The commands that the rest of the program provides.
#[derive(Clone, Copy)]
pub(crate) struct Hooks {
    /// `spire-server run`.
    pub(crate) server_run: Hook,
    /// `spire-server validate`.
    pub(crate) server_validate: Hook,
    /// `spire-agent run`.
    pub(crate) agent_run: Hook,
    /// `spire-agent validate`.
    pub(crate) agent_validate: Hook,
    /// `steeple csi`.
    pub(crate) csi: Hook,
    /// `steeple controller`.
    pub(crate) controller: Hook,
    /// `steeple oidc-discovery-provider`.
    pub(crate) oidc: Hook,
    /// `steeple dev`.
    pub(crate) dev: Hook,
}

/// Runs the command that `argv` names and returns the exit status. `argv` begins with the program's name.
pub(crate) fn main(argv: &[String], hooks: &Hooks, env: &mut Env) -> u8 {
    let (program, arguments) = argv.split_first().map_or(("", argv), |(name, rest)| (name.as_str(), rest));
    match program.rsplit('/').next() {
        Some("spire-server") => return server("spire-server", hooks).run(arguments, env),
        Some("spire-agent") => return agent("spire-agent", hooks).run(arguments, env),
        Some("spiffe-csi-driver") => return (hooks.csi)(env, arguments),
        Some("oidc-discovery-provider") => return (hooks.oidc)(env, arguments),
        _ => {}
    }
    match arguments.split_first().map(|(role, rest)| (role.as_str(), rest)) {
        Some(("server", rest)) => server("steeple server", hooks).run(rest, env),
        Some(("agent", rest)) => agent("steeple agent", hooks).run(rest, env),
        Some(("audit", rest)) => audit::program(SPIRE_VERSION).run(rest, env),
        Some(("authz", rest)) => authz::program(SPIRE_VERSION).run(rest, env),
        _ => own(hooks).run(arguments, env),
    }
}

fn server(name: &'static str, hooks: &Hooks) -> Program {
    let mut rows = server::rows();
    rows.push(Row { path: "run", synopsis: "Runs the server", kind: Kind::Hook(hooks.server_run) });
    rows.push(Row { path: "validate", synopsis: "Checks a configuration", kind: Kind::Hook(hooks.server_validate) });
    Program { name, version: SPIRE_VERSION, rows }
}

fn agent(name: &'static str, hooks: &Hooks) -> Program {
    let mut rows = agent::rows();
    rows.push(Row { path: "run", synopsis: "Runs the agent", kind: Kind::Hook(hooks.agent_run) });
    rows.push(Row { path: "validate", synopsis: "Checks a configuration", kind: Kind::Hook(hooks.agent_validate) });
    Program { name, version: SPIRE_VERSION, rows }
}

/// What is called by the binary's own name. The roles are listed for help; [`main`] has taken them before.
fn own(hooks: &Hooks) -> Program {
    let role = |path, synopsis| Row { path, synopsis, kind: Kind::Later };
    Program {
        name: "steeple",
        version: SPIRE_VERSION,
        rows: vec![
            role("server", "The server and its commands, as spire-server"),
            role("agent", "The agent and its commands, as spire-agent"),
            role("audit", "Verifies and searches the files of an audit trail"),
            role("authz", "Explains, tries and changes scoped rights"),
            Row {
                path: "explain",
                synopsis: "Says why a workload has no identity, or which it has",
                kind: Kind::Hook(explain::run),
            },
            Row { path: "csi", synopsis: "The CSI driver, as spiffe-csi-driver", kind: Kind::Hook(hooks.csi) },
            Row {
                path: "controller",
                synopsis: "The Kubernetes controller, as spire-controller-manager",
                kind: Kind::Hook(hooks.controller),
            },
            Row {
                path: "oidc-discovery-provider",
                synopsis: "The OIDC discovery provider, as SPIRE's",
                kind: Kind::Hook(hooks.oidc),
            },
            Row { path: "dev", synopsis: "A server and an agent in one process, to try", kind: Kind::Hook(hooks.dev) },
        ],
    }
}
