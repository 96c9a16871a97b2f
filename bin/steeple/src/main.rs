//! The one binary of steeple.

mod choose;
mod commands;
mod daemon;

use std::process::ExitCode;

use commands::{Env, Hooks};

/// musl's own allocator takes a lock for every request, which costs a server more than half of its speed.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let argv: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let hooks = Hooks {
        server_run: daemon::server_run,
        server_validate: daemon::server_validate,
        agent_run: daemon::agent_run,
        agent_validate: daemon::agent_validate,
        csi: daemon::csi,
        controller: daemon::controller,
        oidc: daemon::oidc,
        dev: daemon::dev,
    };
    ExitCode::from(commands::main(&argv, &hooks, &mut Env::of_process()))
}
