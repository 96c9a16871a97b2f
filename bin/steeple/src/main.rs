//! The one binary of steeple.

mod choose;
mod commands;
mod daemon;

use std::process::ExitCode;

use commands::{Env, Hooks};

fn main() -> ExitCode {
    let argv: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let hooks = Hooks {
        server_run: daemon::server_run,
        server_validate: daemon::server_validate,
        agent_run: daemon::agent_run,
        agent_validate: daemon::agent_validate,
        dev: daemon::dev,
    };
    ExitCode::from(commands::main(&argv, &hooks, &mut Env::of_process()))
}
