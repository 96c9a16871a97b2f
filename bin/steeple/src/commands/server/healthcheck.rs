//! `healthcheck` of the server.

use async_trait::async_trait;

use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::info::check_health;

/// Says whether the server is healthy.
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
        check_health(call, "server", self.verbose).await.explain("server is unhealthy")?;
        call.print(format_args!("Server is healthy.\n"))
    }
}
