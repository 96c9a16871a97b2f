//! `logger` of the server and of the agent: log levels, in the words of SPIRE's logger.

use async_trait::async_trait;
use prost::Message;
use steeple_proto::spire::api::server::logger::v1::{GetLoggerRequest, ResetLogLevelRequest, SetLogLevelRequest};
use steeple_proto::spire::api::types::{LogLevel, Logger};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::call::{Call, Command};
use super::failure::{Explain, Failure};
use super::goflag::FlagSet;
use super::output::Format;
use super::quote::quote;

/// The Logger service of the server.
pub(crate) const OF_SERVER: Service = Service {
    get: "/spire.api.server.logger.v1.Logger/GetLogger",
    set: "/spire.api.server.logger.v1.Logger/SetLogLevel",
    reset: "/spire.api.server.logger.v1.Logger/ResetLogLevel",
};

/// The Logger service of the agent, whose messages are those of the server's.
pub(crate) const OF_AGENT: Service = Service {
    get: "/spire.api.agent.logger.v1.Logger/GetLogger",
    set: "/spire.api.agent.logger.v1.Logger/SetLogLevel",
    reset: "/spire.api.agent.logger.v1.Logger/ResetLogLevel",
};

/// The methods of a Logger service.
#[derive(Clone, Copy)]
pub(crate) struct Service {
    get: &'static str,
    set: &'static str,
    reset: &'static str,
}

/// `logger get`, which shows the log level.
pub(crate) struct Get {
    service: Service,
    format: Format,
}

/// `logger set`, which sets the log level.
pub(crate) struct Set {
    service: Service,
    level: String,
    format: Format,
}

/// `logger reset`, which sets the log level of the start again.
pub(crate) struct Reset {
    service: Service,
    format: Format,
}

impl Get {
    /// At this service.
    pub(crate) fn at(service: Service) -> Box<dyn Command> {
        Box::new(Self { service, format: Format::default() })
    }
}

impl Set {
    /// At this service.
    pub(crate) fn at(service: Service) -> Box<dyn Command> {
        Box::new(Self { service, level: String::new(), format: Format::default() })
    }
}

impl Reset {
    /// At this service.
    pub(crate) fn at(service: Service) -> Box<dyn Command> {
        Box::new(Self { service, format: Format::default() })
    }
}

#[async_trait(?Send)]
impl Command for Get {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let reply = call.reply(ask(call, self.service.get, GetLoggerRequest {})).await;
        print(call, self.format, reply.explain("error fetching logger")?)
    }
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
        let reply = call.reply(ask(call, self.service.set, request)).await;
        print(call, self.format, reply.explain("failed to set log level")?)
    }
}

#[async_trait(?Send)]
impl Command for Reset {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let reply = call.reply(ask(call, self.service.reset, ResetLogLevelRequest {})).await;
        print(call, self.format, reply.explain("failed to reset logger")?)
    }
}

/// Calls `method` of a Logger service.
async fn ask(
    call: &Call<'_>,
    method: &'static str,
    request: impl Message + 'static,
) -> Result<Response<Logger>, Status> {
    let mut client = Grpc::new(call.channel.clone());
    client.ready().await.map_err(|error| Status::unknown(format!("Service was not ready: {error}")))?;
    client.unary(Request::new(request), PathAndQuery::from_static(method), ProstCodec::default()).await
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

/// A level's name.
fn name(level: i32) -> Option<&'static str> {
    match LogLevel::try_from(level).ok()? {
        LogLevel::Panic => Some("panic"),
        LogLevel::Fatal => Some("fatal"),
        LogLevel::Error => Some("error"),
        LogLevel::Warn => Some("warning"),
        LogLevel::Info => Some("info"),
        LogLevel::Debug => Some("debug"),
        LogLevel::Trace => Some("trace"),
        LogLevel::Unspecified => None,
    }
}

/// Reads `-level`.
fn level(text: &str) -> Result<LogLevel, Failure> {
    match text.to_lowercase().as_str() {
        "" => Err("a value (-level) must be set".into()),
        "panic" => Ok(LogLevel::Panic),
        "fatal" => Ok(LogLevel::Fatal),
        "error" => Ok(LogLevel::Error),
        "warn" | "warning" => Ok(LogLevel::Warn),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        "trace" => Ok(LogLevel::Trace),
        _ => Err(format!("the value {} is not a valid setting", quote(text)).into()),
    }
}

/// The logger's state for people.
fn text(logger: Logger) -> Result<String, Failure> {
    let name = |level, which: &str| {
        name(level).ok_or_else(|| {
            Failure(format!("internal error: returned {which} log level is undefined; please report this as a bug"))
        })
    };
    let current = name(logger.current_level, "current")?;
    let launch = name(logger.launch_level, "launch")?;
    Ok(format!("Logger Level : {current}\nLaunch Level : {launch}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_read_as_spire_says_them() {
        let logger = Logger { current_level: level("Warn").unwrap().into(), launch_level: LogLevel::Debug.into() };
        assert_eq!(text(logger).unwrap(), "Logger Level : warning\nLaunch Level : debug\n\n");
        assert_eq!(level("nope"), Err("the value \"nope\" is not a valid setting".into()));
        assert_eq!(level(""), Err("a value (-level) must be set".into()));
        assert!(text(Logger::default()).is_err());
    }
}
