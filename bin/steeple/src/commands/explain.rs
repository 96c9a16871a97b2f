//! `steeple explain`: why a workload has no identity, or which it has.

mod text;

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use prost::Name;
use steeple_client::connect_unix_as;
use steeple_proto::spire::api::types;
use steeple_proto::steeple::agent::explain::v1 as agent;
use steeple_proto::steeple::agent::explain::v1::explain_client::ExplainClient as AgentClient;
use steeple_proto::steeple::agent::explain::v1::explain_request::Workload;
use steeple_proto::steeple::server::explain::v1 as server;
use steeple_proto::steeple::server::explain::v1::explain_client::ExplainClient as ServerClient;
use tonic::Status;
use tonic::transport::Channel;

use super::env::Env;
use super::failure::Failure;
use super::goflag::{FlagError, FlagSet};
use super::output::{Format, message_json};
use super::server::selector;
use super::target::{AGENT_ADMIN, SERVER_API};

/// Longest wait for an answer: attestors may take half a minute.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Default)]
struct Flags {
    pid: i64,
    container: String,
    pod: String,
    selectors: Vec<String>,
    reference: String,
    agent: String,
    server: bool,
    entry_id: String,
    spiffe_id: String,
    agent_socket: String,
    server_socket: String,
    format: Format,
}

impl Flags {
    fn new() -> Self {
        let (agent_socket, server_socket) = (AGENT_ADMIN.to_owned(), SERVER_API.to_owned());
        Self { agent_socket, server_socket, ..Self::default() }
    }

    fn declare<'a>(&'a mut self, set: &mut FlagSet<'a>) {
        set.integer(&mut self.pid, &["pid"], "The process, by its PID in the agent's PID namespace.");
        set.text(&mut self.container, &["container"], "The container, by its ID or the first twelve digits of it.");
        set.text(&mut self.pod, &["pod"], "The pod, namespace/name.");
        let usage = "What a workload is, type:value, instead of a workload. May be repeated.";
        set.repeated(&mut self.selectors, &["selector"], usage);
        let usage = "The refused call, by what the answer's steeple-reference and the agent's log say.";
        set.text(&mut self.reference, &["reference"], usage);
        set.text(&mut self.entry_id, &["entryID"], "The entry whose identity was expected.");
        set.text(&mut self.spiffe_id, &["spiffeID"], "The SPIFFE ID that was expected.");
        let usage = "Ask the server, about what the agent of this SPIFFE ID is given.";
        set.text(&mut self.agent, &["agent"], usage);
        set.boolean(&mut self.server, &["server"], "Ask the server, about all agents.");
        set.text(&mut self.agent_socket, &["agentSocket"], "The agent's admin socket (admin_socket_path).");
        set.text(&mut self.server_socket, &["serverSocket"], "The server's private socket.");
        set.format(&mut self.format, &["output"]);
    }
}

/// Runs the command and yields its exit status: 0 also when there is no identity, since that was explained.
pub(super) fn run(env: &mut Env, arguments: &[String]) -> u8 {
    let mut flags = Flags::new();
    let mut set = FlagSet::new();
    flags.declare(&mut set);
    let usage = set.usage();
    let parsed = match set.parse(arguments) {
        Ok([]) => Ok(()),
        Ok([word, ..]) => Err(format!("unexpected argument {word:?}\n")),
        Err(FlagError::Help) => Err(String::new()),
        Err(error) => Err(format!("{error}\n")),
    };
    if let Err(reason) = parsed {
        env.complain(&format!("{reason}Flags of explain:\n{usage}"));
        return u8::from(!reason.is_empty());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(ask(env, &flags)));
    let written =
        outcome.and_then(|text| Ok(env.stdout.write_all(text.as_bytes()).and_then(|()| env.stdout.flush())?));
    match written {
        Ok(()) => 0,
        Err(Failure(text)) => {
            env.complain(&format!("Error: {text}\n"));
            1
        }
    }
}

async fn ask(env: &Env, flags: &Flags) -> Result<String, Failure> {
    let now = env.clock.now();
    if flags.server || !flags.agent.is_empty() {
        let request = of_server(flags)?;
        let mut client = ServerClient::new(connect(&flags.server_socket));
        let answer =
            within(env, client.explain_entries(request)).await.map_err(|status| not_there(&status, flags, true))?;
        return written(&answer, flags, |answer| text::of_server(answer, &flags.agent));
    }
    let request = of_agent(flags)?;
    let mut client = AgentClient::new(connect(&flags.agent_socket));
    let answer = within(env, client.explain(request)).await.map_err(|status| not_there(&status, flags, false))?;
    written(&answer, flags, |answer| text::of_agent(answer, now))
}

fn written<M: Name>(answer: &M, flags: &Flags, pretty: impl Fn(&M) -> String) -> Result<String, Failure> {
    match flags.format {
        Format::Json => Ok(message_json(answer)? + "\n"),
        Format::Pretty => Ok(pretty(answer)),
    }
}

fn connect(socket: &str) -> Channel {
    connect_unix_as(Path::new(socket), format!("//{socket}"))
}

async fn within<T>(env: &Env, call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, Status> {
    let late = |_| Err(Status::deadline_exceeded("no answer in a minute"));
    env.clock.timeout(PATIENCE, Box::pin(call)).await.unwrap_or_else(late).map(tonic::Response::into_inner)
}

/// A failure, with what to do about it where that is the choice of socket.
fn not_there(status: &Status, flags: &Flags, of_server: bool) -> Failure {
    let Failure(text) = Failure::from(status.clone());
    let (socket, hint) = if of_server {
        (&flags.server_socket, "the server's private socket, -serverSocket (socket_path of the server's configuration)")
    } else {
        (
            &flags.agent_socket,
            "the agent's admin socket, -agentSocket, which is there when admin_socket_path of the agent's configuration is set",
        )
    };
    match status.code() {
        tonic::Code::Unavailable | tonic::Code::Unknown => {
            Failure(format!("nobody answers on {socket}: {text}; this must be {hint}"))
        }
        tonic::Code::Unimplemented => Failure(format!("{socket} does not explain: {text}; this must be {hint}")),
        _ => Failure(text),
    }
}

fn selectors(flags: &Flags) -> Result<Vec<types::Selector>, Failure> {
    flags.selectors.iter().map(|text| selector(text)).collect()
}

fn of_server(flags: &Flags) -> Result<server::ExplainEntriesRequest, Failure> {
    if flags.pid != 0 || !flags.container.is_empty() || !flags.pod.is_empty() || !flags.reference.is_empty() {
        return Err(
            "a server knows no processes, containers, pods or references: give -selector, or ask the agent".into()
        );
    }
    if flags.selectors.is_empty() && flags.entry_id.is_empty() && flags.spiffe_id.is_empty() {
        return Err(
            "say what the workload is, by -selector, or which identity was expected, by -entryID or -spiffeID".into()
        );
    }
    Ok(server::ExplainEntriesRequest {
        agent_id: flags.agent.clone(),
        selectors: selectors(flags)?,
        entry_id: flags.entry_id.clone(),
        spiffe_id: flags.spiffe_id.clone(),
    })
}

fn of_agent(flags: &Flags) -> Result<agent::ExplainRequest, Failure> {
    let mut named = Vec::new();
    if flags.pid != 0 {
        let pid = i32::try_from(flags.pid).map_err(|_| Failure(format!("{} is no process's PID", flags.pid)))?;
        named.push(Workload::Pid(pid));
    }
    if !flags.container.is_empty() {
        named.push(Workload::ContainerId(flags.container.clone()));
    }
    if !flags.pod.is_empty() {
        let pod =
            flags.pod.split_once('/').ok_or_else(|| Failure(format!("-pod {:?} is not namespace/name", flags.pod)))?;
        named.push(Workload::Pod(agent::Pod { namespace: pod.0.to_owned(), name: pod.1.to_owned() }));
    }
    if !flags.selectors.is_empty() {
        named.push(Workload::Selectors(agent::Selectors { selectors: selectors(flags)? }));
    }
    if !flags.reference.is_empty() {
        named.push(Workload::Reference(flags.reference.clone()));
    }
    let mut named = named.into_iter();
    match (named.next(), named.next()) {
        (Some(workload), None) => Ok(agent::ExplainRequest {
            workload: Some(workload),
            entry_id: flags.entry_id.clone(),
            spiffe_id: flags.spiffe_id.clone(),
        }),
        (None, _) => Err("say whom it is about: -pid, -container, -pod, -selector or -reference".into()),
        (Some(_), Some(_)) => {
            Err("only one of -pid, -container, -pod, -selector and -reference can be explained at once".into())
        }
    }
}
