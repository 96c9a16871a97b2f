//! Envoy's secret discovery: `DeltaSecrets`.

use std::time::Duration;

use steeple_proto::envoy::service::discovery::v3 as pb;
use steeple_proto::google::rpc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use crate::bench::{Bench, in_time, next};
use crate::sds::{client, refusals};

struct Envoy {
    requests: mpsc::Sender<pb::DeltaDiscoveryRequest>,
    answers: Streaming<pb::DeltaDiscoveryResponse>,
}

fn subscribes(names: &[&str]) -> pb::DeltaDiscoveryRequest {
    let resource_names_subscribe = names.iter().map(|name| (*name).to_owned()).collect();
    pb::DeltaDiscoveryRequest { resource_names_subscribe, ..Default::default() }
}

impl Envoy {
    async fn of(bench: &Bench, first: pb::DeltaDiscoveryRequest) -> Self {
        let (requests, receiver) = mpsc::channel(4);
        requests.send(first).await.unwrap();
        let answers = in_time(client(bench).delta_secrets(ReceiverStream::new(receiver))).await.unwrap().into_inner();
        Self { requests, answers }
    }

    async fn next(&mut self) -> pb::DeltaDiscoveryResponse {
        next(&mut self.answers).await.unwrap()
    }
}

fn names(answer: &pb::DeltaDiscoveryResponse) -> Vec<&str> {
    answer.resources.iter().map(|resource| resource.name.as_str()).collect()
}

#[tokio::test]
async fn only_what_has_changed_is_told() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let mut envoy = Envoy::of(&bench, subscribes(&["default", "ROOTCA"])).await;
    let first = envoy.next().await;
    assert_eq!(names(&first), ["ROOTCA", "default"]);
    assert!(first.resources.iter().all(|resource| resource.version.len() == 16));
    bench.pass(Duration::from_mins(33)).await;
    bench.settle().await;
    let second = envoy.next().await;
    assert_eq!(names(&second), ["default"], "the bundle is the same as before");
    assert_ne!(second.resources[0].version, first.resources[1].version);
    assert_ne!(second.nonce, first.nonce);
}

#[tokio::test]
async fn unknown_name_is_told_as_removed_and_comes_when_it_is_there() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let mut envoy = Envoy::of(&bench, subscribes(&["default", "spiffe://example.org/b"])).await;
    let first = envoy.next().await;
    assert_eq!(names(&first), ["default"]);
    assert_eq!(first.removed_resources, ["spiffe://example.org/b"]);
    let [(name, code, _)] = refusals(&first.resource_errors).try_into().unwrap();
    assert_eq!((name.as_str(), code), ("spiffe://example.org/b", Code::PermissionDenied));
    bench.entry("b", &["w"]).await;
    let second = envoy.next().await;
    assert_eq!(names(&second), ["spiffe://example.org/b"]);
    bench.operator().delete("b").await;
    bench.settle().await;
    assert_eq!(envoy.next().await.removed_resources, ["spiffe://example.org/b"]);
}

#[tokio::test]
async fn name_of_a_file_is_refused_with_the_way_out_and_told_once() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let mut envoy = Envoy::of(&bench, subscribes(&["file-root:system"])).await;
    let first = envoy.next().await;
    assert_eq!(first.removed_resources, ["file-root:system"]);
    let [(name, code, text)] = refusals(&first.resource_errors).try_into().unwrap();
    assert_eq!((name.as_str(), code), ("file-root:system", Code::NotFound));
    assert!(text.contains("WORKLOAD_IDENTITY_SOCKET_FILE"), "{text}");
    envoy.requests.send(subscribes(&["default"])).await.unwrap();
    let second = envoy.next().await;
    assert_eq!(names(&second), ["default"]);
    assert!(second.resource_errors.is_empty() && second.removed_resources.is_empty(), "{second:?}");
}

#[tokio::test]
async fn what_envoy_has_already_is_not_sent_on_a_new_stream() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let mut envoy = Envoy::of(&bench, subscribes(&["default", "ROOTCA"])).await;
    let first = envoy.next().await;
    let known = first.resources[0].clone();
    let request = pb::DeltaDiscoveryRequest {
        initial_resource_versions: [(known.name, known.version)].into(),
        ..subscribes(&["default", "ROOTCA"])
    };
    let mut again = Envoy::of(&bench, request).await;
    assert_eq!(names(&again.next().await), ["default"]);
}

#[tokio::test]
async fn refusal_is_logged_and_does_not_make_a_loop() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let mut envoy = Envoy::of(&bench, subscribes(&["default"])).await;
    let first = envoy.next().await;
    let refused = pb::DeltaDiscoveryRequest {
        response_nonce: first.nonce,
        error_detail: Some(rpc::Status { message: "no good".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    envoy.requests.send(refused).await.unwrap();
    let unsubscribe =
        pb::DeltaDiscoveryRequest { resource_names_unsubscribe: vec!["default".to_owned()], ..subscribes(&["ROOTCA"]) };
    envoy.requests.send(unsubscribe).await.unwrap();
    assert_eq!(names(&envoy.next().await), ["ROOTCA"], "the refused one is not sent again");
    assert!(bench.log().contains("no good"));
}
