//! `healthcheck` of the agent.

use async_trait::async_trait;

use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::info::check_health;

/// Says whether the agent is healthy.
#[derive(Default)]
pub(crate) struct Healthcheck {
    shallow: bool,
    verbose: bool,
}

#[async_trait(?Send)]
impl Command for Healthcheck {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.boolean(&mut self.shallow, &["shallow"], "Accepted for SPIRE's sake; makes no difference.");
        flags.boolean(&mut self.verbose, &["verbose"], "Says more.");
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        check_health(call, "agent", self.verbose).await?;
        call.print(format_args!("Agent is healthy.\n"))
    }
}
