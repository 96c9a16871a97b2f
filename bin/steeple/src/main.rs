//! The one binary of steeple.

mod commands;

use std::process::ExitCode;

use commands::{Env, Hooks};

fn main() -> ExitCode {
    let argv: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let hooks =
        Hooks { server_run: absent, server_validate: absent, agent_run: absent, agent_validate: absent, dev: absent };
    ExitCode::from(commands::main(&argv, &hooks, &mut Env::of_process()))
}

fn absent(env: &mut Env, _: &[String]) -> u8 {
    env.complain("Error: not available yet\n");
    1
}
