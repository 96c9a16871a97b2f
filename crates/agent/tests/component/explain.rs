//! Misconfigurations, and what `Explain` says of each. With `--nocapture` the table is printed.

mod rows;
mod world;

use std::time::Duration;

use prost::Message;
use steeple_client::connect_unix;
use steeple_proto::envoy::service::discovery::v3 as sds;
use steeple_proto::spire::api::types;
use steeple_proto::steeple::agent::explain::v1 as agent;
use steeple_proto::steeple::agent::explain::v1::explain_client::ExplainClient as AgentClient;
use steeple_proto::steeple::agent::explain::v1::explain_request::Workload as Subject;
use steeple_proto::steeple::server::explain::v1 as server;
use steeple_proto::steeple::server::explain::v1::explain_client::ExplainClient as ServerClient;
use steeple_proto::workload as wl;
use steeple_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use tonic::{Code, Status};

use self::rows::{Ask, Call, Do, E, Row, rows};
use self::world::{Node, POD_UID, container};
use crate::bench::{Bench, in_time, refusal, spiffe_id};

const X509: &str = "/SpiffeWorkloadAPI/FetchX509SVID";

/// A row that is played.
struct Play {
    bench: Bench,
    node: Node,
    /// The other agent's ID.
    other: String,
    reference: String,
}

impl Play {
    async fn begin(row: &Row) -> Self {
        let in_pod = row.attestors.iter().any(|name| name.starts_with("k8s"));
        let group = match (row.set == "no container", in_pod) {
            (true, _) => "/".to_owned(),
            (false, true) => format!("/kubepods/besteffort/pod{POD_UID}/{}", container()),
            (false, false) => format!("/docker/{}", container()),
        };
        let mut node = Node::new(&group, row.set != "no names");
        let mut bench = Bench::without_agent_on(|settings| match row.set {
            "no JWT" => settings.jwt_enabled = false,
            "server tells" => settings.explain_redact = steeple_agent::Redact::None,
            _ => {}
        })
        .await;
        match row.set {
            "one call a second" => drop(bench.settings.workload_limits.insert(X509, 1)),
            "small cache" => bench.settings.x509_svid_cache_max_size = 1,
            "no Workload API" => bench.settings.workload_api = false,
            _ => {}
        }
        let mut attestors = Vec::new();
        for name in row.attestors {
            attestors.push(node.attestor(name).await);
        }
        bench.attestors = attestors;
        bench.start().await;
        Self { bench, node, other: String::new(), reference: String::new() }
    }

    fn entry(&self, entry: E) -> types::Entry {
        let parent = if entry.parent == "OTHER" { self.other.as_str() } else { entry.parent };
        types::Entry {
            id: entry.id.to_owned(),
            spiffe_id: Some(spiffe_id(&format!("/{}", entry.id))),
            parent_id: Some(spiffe_id(parent)),
            selectors: entry.selectors.iter().map(|text| selector(text)).collect(),
            expires_at: if entry.expires == 0 { 0 } else { self.bench.clock.now().as_second() + entry.expires },
            store_svid: entry.store,
            hint: entry.hint.to_owned(),
            ..types::Entry::default()
        }
    }

    async fn step(&mut self, step: Do) {
        match step {
            Do::Create(entry) => drop(self.bench.operator().create(self.entry(entry)).await),
            Do::Update(entry) | Do::Mend(entry) => self.bench.operator().update(self.entry(entry)).await,
            Do::Delete(id) => self.bench.operator().delete(id).await,
            Do::Settle => self.bench.settle().await,
            Do::Pass(minutes) => self.bench.pass(Duration::from_mins(minutes)).await,
            Do::Cut => self.bench.wire.cut(),
            Do::Ban => self.bench.operator().ban(rows::AGENT).await,
            Do::StopAgent => self.bench.stop().await,
            Do::OtherAgent => {
                let token = self.bench.operator().join_token().await;
                self.bench.join_another(&token).await;
                self.other = format!("/spire/agent/join_token/{token}");
            }
            Do::RefuseToSign => self.bench.server.refuse_records(),
            Do::Calls(call) => self.call(call).await,
        }
    }

    /// Calls, and keeps the reference of the refusal if it was refused.
    async fn call(&mut self, call: Call) {
        let status = match call {
            Call::X509 => self.bench.workload().x509().await.err(),
            Call::NoHeader => {
                let mut client = SpiffeWorkloadApiClient::new(self.bench.channel());
                in_time(client.fetch_x509svid(wl::X509svidRequest {})).await.err()
            }
            Call::Jwt(id) => self.bench.workload().jwt(&["x"], id).await.err(),
            Call::Sds(names) => {
                let resource_names = names.iter().map(|name| (*name).to_owned()).collect();
                let request = sds::DiscoveryRequest { resource_names, ..Default::default() };
                match in_time(crate::sds::client(&self.bench).fetch_secrets(request)).await {
                    Ok(answer) => return self.reference = of_secret(&answer.into_inner()),
                    Err(status) => Some(status),
                }
            }
        };
        if let Some(status) = status {
            self.reference = reference(&status);
        }
    }

    async fn ask(&self, ask: Ask) -> Vec<server::Finding> {
        let pid = Subject::Pid(i32::try_from(std::process::id()).unwrap());
        let of = |workload| agent::ExplainRequest { workload: Some(workload), ..Default::default() };
        let request = match ask {
            Ask::OfServer(id, selectors) => return self.of_server(id, selectors).await,
            Ask::Pid => of(pid),
            Ask::Wanting(entry_id) => agent::ExplainRequest { entry_id: entry_id.to_owned(), ..of(pid) },
            Ask::WantingId(id) => agent::ExplainRequest { spiffe_id: id.to_owned(), ..of(pid) },
            Ask::Selectors(selectors) => {
                let selectors = selectors.iter().map(|text| selector(text)).collect();
                of(Subject::Selectors(agent::Selectors { selectors }))
            }
            Ask::Reference => of(Subject::Reference(self.reference.clone())),
            Ask::Container => of(Subject::ContainerId(container()[..12].to_owned())),
            Ask::Pod => of(Subject::Pod(agent::Pod { namespace: "shop".to_owned(), name: "web-1".to_owned() })),
        };
        explain(&self.bench, request).await.unwrap().findings
    }

    async fn of_server(&self, id: &str, selectors: &[&str]) -> Vec<server::Finding> {
        let request = server::ExplainEntriesRequest {
            agent_id: format!("spiffe://example.org{id}"),
            selectors: selectors.iter().map(|text| selector(text)).collect(),
            ..Default::default()
        };
        let socket = self.bench.folder().join("server/api.sock");
        let mut client = ServerClient::new(connect_unix(&socket));
        in_time(client.explain_entries(request)).await.unwrap().into_inner().findings
    }
}

async fn explain(bench: &Bench, request: agent::ExplainRequest) -> Result<agent::ExplainResponse, Status> {
    let mut client = AgentClient::new(bench.admin_channel());
    Ok(in_time(client.explain(request)).await?.into_inner())
}

fn selector(text: &str) -> types::Selector {
    let (kind, value) = text.split_once(':').unwrap();
    types::Selector { r#type: kind.to_owned(), value: value.to_owned() }
}

fn reference(status: &Status) -> String {
    status.metadata().get("steeple-reference").unwrap().to_str().unwrap().to_owned()
}

/// The reference of the first name that stands for nothing.
fn of_secret(answer: &sds::DiscoveryResponse) -> String {
    #[derive(Clone, PartialEq, prost::Message)]
    struct RequestInfo {
        #[prost(string, tag = "1")]
        request_id: String,
    }
    let error = answer.resource_errors.first().and_then(|error| error.error_detail.as_ref()).unwrap();
    let details = error.details.first().unwrap();
    assert_eq!(details.type_url, "type.googleapis.com/google.rpc.RequestInfo");
    RequestInfo::decode(details.value.as_slice()).unwrap().request_id
}

#[tokio::test]
async fn each_misconfiguration_is_named_with_what_mends_it() {
    let rows = rows();
    assert!(rows.len() >= 50, "{} misconfigurations", rows.len());
    let mut wrong = Vec::new();
    println!("| misconfiguration | cause | said |\n| --- | --- | --- |");
    for row in &rows {
        let mut play = Play::begin(row).await;
        for step in &row.steps {
            play.step(*step).await;
        }
        let findings = play.ask(row.ask).await;
        let first = findings.first().unwrap();
        let said = first.text.replace(&play.node.path().display().to_string(), "…");
        println!("| {} | {} | {said} |", row.name, first.cause);
        if first.cause != row.cause || !first.fix.contains(row.fix) {
            wrong.push(format!("{}: {} was expected with {:?}: {findings:#?}", row.name, row.cause, row.fix));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn refusal_has_a_reference_that_log_and_answer_share() {
    let bench = Bench::new().await;
    let status = bench.workload().x509().await.unwrap_err();
    assert_eq!(refusal(&status), (Code::PermissionDenied, "no identity issued"));
    let reference = reference(&status);
    let log = bench.log();
    let line = log.lines().find(|line| line.contains("No identity issued")).unwrap();
    assert!(reference.len() == 12 && line.contains(&format!("reference={reference}")), "{line}");
    let asked = |reference: &str| agent::ExplainRequest {
        workload: Some(Subject::Reference(reference.to_owned())),
        ..Default::default()
    };
    let told = explain(&bench, asked(&reference)).await.unwrap();
    assert_eq!(told.refusal.unwrap().message, "no identity issued");
    let unknown = explain(&bench, asked("0123456789ab")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test]
async fn secrets_of_an_environment_do_not_leave_the_node() {
    let row = Row { attestors: &["docker"], ..rows().remove(0) };
    let mut play = Play::begin(&row).await;
    play.bench
        .operator()
        .create(play.entry(E { parent: "/elsewhere", selectors: &["docker:env:PASSWORD=hunter2"], ..first(&row) }))
        .await;
    play.bench.settle().await;
    // The server would say that the entry fits elsewhere, had it been told of the variable.
    let findings = play.ask(Ask::Pid).await;
    assert_eq!(findings[0].cause, "no_entry", "{findings:#?}");
}

/// The entry that a row begins with.
fn first(row: &Row) -> E {
    match row.steps.first() {
        Some(Do::Create(entry)) => *entry,
        _ => panic!("{} makes no entry", row.name),
    }
}
