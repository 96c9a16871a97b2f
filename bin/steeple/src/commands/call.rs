//! What a command that talks to a socket is given, and how it runs.

use std::fmt::Arguments;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use prost::Name;
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::env::Env;
use super::failure::Failure;
use super::goflag::{FlagError, FlagSet};
use super::output::message_json;
use super::target::{SocketFlags, Target};

/// A command that talks to a socket. Its fields hold the flags' values.
#[async_trait(?Send)]
pub(crate) trait Command {
    /// Adds the command's own flags.
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>);

    /// Does it.
    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure>;
}

/// What a call will answer.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Status>> + 'a>>;

/// The world and the socket of one run.
pub(crate) struct Call<'e> {
    /// The world.
    pub(crate) env: &'e mut Env,
    /// The socket.
    pub(crate) channel: Channel,
    timeout: Duration,
}

impl Call<'_> {
    /// Waits for the answer of a call, for as long as the command may.
    pub(crate) fn reply<'a, T: 'a>(
        &'a self,
        reply: impl Future<Output = Result<Response<T>, Status>> + 'a,
    ) -> Answer<'a, T> {
        self.within(async { Ok(reply.await?.into_inner()) })
    }

    /// Waits for something, for as long as the command may.
    pub(crate) fn within<'a, T: 'a>(&'a self, work: impl Future<Output = Result<T, Status>> + 'a) -> Answer<'a, T> {
        // Futures of calls are large; on the heap they don't make those of the commands large.
        let work = Box::pin(work);
        if self.timeout.is_zero() {
            return work;
        }
        let late = |_| Err(Status::deadline_exceeded("context deadline exceeded"));
        Box::pin(async move { self.env.clock.timeout(self.timeout, work).await.unwrap_or_else(late) })
    }

    /// Writes to standard output.
    pub(crate) fn print(&mut self, text: Arguments<'_>) -> Result<(), Failure> {
        self.env.stdout.write_fmt(text)?;
        Ok(())
    }

    /// Writes to standard error.
    pub(crate) fn complain(&mut self, text: Arguments<'_>) {
        self.env.complain(&text.to_string());
    }

    /// Writes a message as JSON.
    pub(crate) fn print_json(&mut self, message: &impl Name) -> Result<(), Failure> {
        let text = message_json(message)?;
        self.print(format_args!("{text}\n"))
    }
}

/// Reads the flags, runs the command and says how it ended, as an exit status.
pub(crate) fn run(command: &mut dyn Command, name: &str, target: Target, arguments: &[String], env: &mut Env) -> u8 {
    let mut socket = SocketFlags::new(target);
    if let Err(error) = parse(command, &mut socket, arguments) {
        explain_flags(&error, name, command, target, env);
        return 1;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(Failure::from).and_then(|runtime| {
        runtime.block_on(async {
            let channel = socket.connect(env)?;
            let mut call = Call { env: &mut *env, channel, timeout: socket.timeout };
            let outcome = command.run(&mut call).await;
            let flushed = call.env.stdout.flush();
            outcome?;
            Ok(flushed?)
        })
    });
    match outcome {
        Ok(()) => 0,
        Err(Failure(text)) => {
            env.complain(&format!("{}{text}\n", target.failure_prefix()));
            1
        }
    }
}

/// The help of a command.
pub(crate) fn usage(command: &mut dyn Command, name: &str, target: Target) -> String {
    let mut socket = SocketFlags::new(target);
    let mut flags = FlagSet::new();
    socket.flags(&mut flags);
    command.flags(&mut flags);
    format!("Flags of {name}:\n{}", flags.usage())
}

fn parse(command: &mut dyn Command, socket: &mut SocketFlags, arguments: &[String]) -> Result<(), FlagError> {
    let mut flags = FlagSet::new();
    socket.flags(&mut flags);
    command.flags(&mut flags);
    flags.parse(arguments).map(|_| ())
}

fn explain_flags(error: &FlagError, name: &str, command: &mut dyn Command, target: Target, env: &mut Env) {
    if *error != FlagError::Help {
        env.complain(&format!("{error}\n"));
    }
    env.complain(&usage(command, name, target));
}
