//! `logger` of the agent.

use async_trait::async_trait;
use steeple_proto::spire::api::agent::logger::v1::logger_client::LoggerClient;
use steeple_proto::spire::api::agent::logger::v1::{GetLoggerRequest, ResetLogLevelRequest, SetLogLevelRequest};
use steeple_proto::spire::api::types::Logger;

use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::logger::{level, text};
use crate::commands::output::Format;

/// Shows the log level.
#[derive(Default)]
pub(crate) struct Get {
    format: Format,
}

#[async_trait(?Send)]
impl Command for Get {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let reply = call.reply(LoggerClient::new(call.channel.clone()).get_logger(GetLoggerRequest {})).await;
        print(call, self.format, reply.explain("error fetching logger")?)
    }
}

/// Sets the log level.
#[derive(Default)]
pub(crate) struct Set {
    level: String,
    format: Format,
}

#[async_trait(?Send)]
impl Command for Set {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        let usage = "The level: panic, fatal, error, warn, info, debug or trace.";
        flags.text(&mut self.level, &["level"], usage);
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let request = SetLogLevelRequest { new_level: level(&self.level)?.into() };
        let reply = call.reply(LoggerClient::new(call.channel.clone()).set_log_level(request)).await;
        print(call, self.format, reply.explain("failed to set log level")?)
    }
}

/// Sets the log level of the start again.
#[derive(Default)]
pub(crate) struct Reset {
    format: Format,
}

#[async_trait(?Send)]
impl Command for Reset {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let reply = call.reply(LoggerClient::new(call.channel.clone()).reset_log_level(ResetLogLevelRequest {})).await;
        print(call, self.format, reply.explain("failed to reset logger")?)
    }
}

fn print(call: &mut Call<'_>, format: Format, logger: Logger) -> Result<(), Failure> {
    match format {
        Format::Json => call.print_json(&logger),
        Format::Pretty => {
            let text = text(logger)?;
            call.print(format_args!("{text}"))
        }
    }
}
