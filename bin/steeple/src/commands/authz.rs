//! `steeple authz`: scoped rights asked about, tried and changed. Requests and answers are protobuf's JSON of `steeple.server.access.v1`.

use std::io::Read as _;
use std::io::Write as _;
use std::marker::PhantomData;

use async_trait::async_trait;
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage};
use steeple_config::Flags;
use steeple_proto::FILE_DESCRIPTOR_SET;
use steeple_proto::steeple::server::access::v1 as pb;
use steeple_server::{config, explain_by};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::call::{Call, Command};
use super::dispatch::{HELP, Kind, Program, Row};
use super::env::Env;
use super::failure::Failure;
use super::goflag::FlagSet;
use super::target::Target;

/// Longest file of requests, in bytes.
const MAX_REQUESTS: u64 = 16 << 20;

/// The commands.
pub(super) fn program(version: &'static str) -> Program {
    let row = |path, synopsis, make| Row { path, synopsis, kind: Kind::Client(Target::ServerApi, make) };
    Program {
        name: "steeple authz",
        version,
        rows: vec![
            row("explain", "Tells whether a call would be allowed, and why", || {
                Ask::<pb::ExplainRequest, pb::Decision>::of("Explain")
            }),
            row("who-can", "Tells which bindings allow something", || {
                Ask::<pb::WhoCanRequest, pb::WhoCanResponse>::of("WhoCan")
            }),
            Row {
                path: "simulate",
                synopsis: "Tells what a configuration would decide about requests, without a server",
                kind: Kind::Hook(simulate),
            },
            row("binding list", "Lists the bindings", || {
                Ask::<pb::ListBindingsRequest, pb::ListBindingsResponse>::of("ListBindings")
            }),
            row("binding create", "Creates a binding", || {
                Ask::<pb::CreateBindingRequest, pb::Binding>::of("CreateBinding")
            }),
            row("binding delete", "Deletes a binding", || {
                Ask::<pb::DeleteBindingRequest, pb::DeleteBindingResponse>::of("DeleteBinding")
            }),
            row("approval list", "Lists what waits for a second person", || {
                Ask::<pb::ListApprovalsRequest, pb::ListApprovalsResponse>::of("ListApprovals")
            }),
            row("approval give", "Approves what waits", || Ask::<pb::ApproveRequest, pb::Approval>::of("Approve")),
        ],
    }
}

/// Sends a request that is given as JSON, and prints the answer.
struct Ask<Q, A> {
    method: &'static str,
    request: String,
    kinds: PhantomData<fn(Q) -> A>,
}

impl<Q, A> Ask<Q, A>
where
    Q: Message + Name + Default + 'static,
    A: Message + Name + Default + 'static,
{
    fn of(method: &'static str) -> Box<dyn Command> {
        Box::new(Self { method, request: String::new(), kinds: PhantomData })
    }
}

#[async_trait(?Send)]
impl<Q, A> Command for Ask<Q, A>
where
    Q: Message + Name + Default + 'static,
    A: Message + Name + Default + 'static,
{
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.request, &["request"], "The request as JSON, or @ and the path of a file with it.");
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let text = match self.request.strip_prefix('@') {
            Some(path) => read(path)?,
            None if self.request.is_empty() => "{}".to_owned(),
            None => self.request.clone(),
        };
        let request = from_json::<Q>(&text)?;
        let path = format!("/steeple.server.access.v1.Access/{}", self.method);
        let reply = call.reply(ask::<Q, A>(call, path, request)).await?;
        call.print_json(&reply)
    }
}

async fn ask<Q, A>(call: &Call<'_>, path: String, request: Q) -> Result<Response<A>, Status>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let mut client = Grpc::new(call.channel.clone());
    client.ready().await.map_err(|error| Status::unknown(format!("Service was not ready: {error}")))?;
    let path = PathAndQuery::try_from(path).map_err(|error| Status::internal(error.to_string()))?;
    client.unary(Request::new(request), path, ProstCodec::default()).await
}

/// `simulate`.
fn simulate(env: &mut Env, arguments: &[String]) -> u8 {
    let (mut path, mut requests) = (String::new(), String::new());
    let mut set = FlagSet::new();
    set.text(&mut path, &["config"], "Configuration file of a server.");
    set.text(&mut requests, &["requests"], "File with a request of explain as JSON in each line.");
    if arguments == [HELP] {
        env.complain(&set.usage());
        return 0;
    }
    if let Err(error) = set.parse(arguments).map(|_| ()) {
        env.complain(&format!("{error}\n{}", set.usage()));
        return 2;
    }
    drop(set);
    match simulated(env, &path, &requests) {
        Ok(text) => u8::from(env.stdout.write_all(text.as_bytes()).is_err()),
        Err(Failure(reason)) => {
            env.complain(&format!("Error: {reason}\n"));
            1
        }
    }
}

fn simulated(env: &Env, path: &str, requests: &str) -> Result<String, Failure> {
    let config = config::load(path, None, &Flags::default()).map_err(|error| Failure(error.to_string()))?;
    let (mut text, mut allowed, mut denied) = (String::new(), 0, 0);
    for (number, line) in read(requests)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at = |reason: String| Failure(format!("{requests}, line {}: {reason}", number + 1));
        let request = from_json::<pb::ExplainRequest>(line).map_err(|Failure(reason)| at(reason))?;
        let decision = explain_by(&config.settings, env.clock.now(), &request).map_err(at)?;
        let verdict = if decision.allowed { "allowed" } else { "denied" };
        *(if decision.allowed { &mut allowed } else { &mut denied }) += 1;
        text.extend([verdict, " ", &request.method, ": ", &decision.reason, "\n"]);
    }
    Ok(format!("{text}{allowed} allowed, {denied} denied\n"))
}

fn read(path: &str) -> Result<String, Failure> {
    let bad = |error: std::io::Error| Failure(format!("{path}: {error}"));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(bad)?;
    file.take(MAX_REQUESTS).read_to_string(&mut text).map_err(bad)?;
    Ok(text)
}

/// A message of protobuf's JSON.
fn from_json<M: Message + Name + Default>(text: &str) -> Result<M, Failure> {
    let bad = |error: &dyn std::fmt::Display| Failure(format!("this is no {}: {error}", M::full_name()));
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).map_err(|error| bad(&error))?;
    let descriptor = pool.get_message_by_name(&M::full_name()).ok_or_else(|| bad(&"no descriptor"))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let dynamic = DynamicMessage::deserialize(descriptor, &mut reader).map_err(|error| bad(&error))?;
    reader.end().map_err(|error| bad(&error))?;
    M::decode(dynamic.encode_to_vec().as_slice()).map_err(|error| bad(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
server { trust_domain = "example.org" data_dir = "/d" }
plugins {}
access {
  mode = "scoped"
  binding "shop" {
    role = "entry-editor"
    subject { uid = 7 }
    scope { path = ["/ns/shop"] }
  }
}
"#;

    #[test]
    fn candidate_configuration_is_tried_on_requests() {
        let folder = tempfile::tempdir().unwrap();
        let (config, requests) = (folder.path().join("server.conf"), folder.path().join("requests"));
        std::fs::write(&config, CONFIG).unwrap();
        let line = |path: &str| {
            serde_json::json!({
                "caller": { "uid": 7, "gid": 7 },
                "method": "/spire.api.server.entry.v1.Entry/BatchCreateEntry",
                "objects": [{ "entry": {
                    "spiffe_id": { "trust_domain": "example.org", "path": path },
                    "parent_id": { "trust_domain": "example.org", "path": "/node" },
                    "selectors": [{ "type": "unix", "value": "uid:1" }],
                } }],
            })
            .to_string()
        };
        std::fs::write(&requests, format!("{}\n{}\n", line("/ns/shop/x"), line("/ns/shopping/x"))).unwrap();
        let env = Env::of_process();
        let told = simulated(&env, config.to_str().unwrap(), requests.to_str().unwrap()).unwrap();
        let method = "/spire.api.server.entry.v1.Entry/BatchCreateEntry";
        assert_eq!(
            told,
            format!(
                "allowed {method}: binding \"shop\" gives role entry-editor within its scope\n\
                 denied {method}: binding \"shop\": path: /ns/shopping/x lies not under /ns/shop\n\
                 1 allowed, 1 denied\n"
            )
        );
    }
}
