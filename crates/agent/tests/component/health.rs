//! Whether the agent says that it is healthy.

use std::time::Duration;

use steeple_config::HealthSettings;
use steeple_proto::grpc::health::v1::HealthCheckRequest;
use steeple_proto::grpc::health::v1::health_check_response::ServingStatus;
use steeple_proto::grpc::health::v1::health_client::HealthClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::Code;

use crate::bench::{Bench, in_time, refusal};

async fn status(bench: &Bench) -> ServingStatus {
    let mut client = HealthClient::new(bench.channel());
    in_time(client.check(HealthCheckRequest::default())).await.unwrap().into_inner().status()
}

#[tokio::test]
async fn agent_is_healthy_with_an_identity_and_without_one_and_not_when_attestation_fails() {
    let mut bench = Bench::new().await;
    assert_eq!(status(&bench).await, ServingStatus::Serving, "no identity is an answer");
    bench.entry("a", &["w"]).await;
    assert_eq!(status(&bench).await, ServingStatus::Serving);
    bench.labels.fail();
    assert_eq!(status(&bench).await, ServingStatus::NotServing);
    assert!(bench.log().contains("Health check failed"));
}

#[tokio::test]
async fn agent_without_the_workload_api_is_healthy() {
    let bench = Bench::with(|settings| settings.workload_api = false).await;
    bench.labels.fail();
    assert_eq!(status(&bench).await, ServingStatus::Serving);
}

#[tokio::test]
async fn health_of_single_services_is_not_told() {
    let bench = Bench::new().await;
    let mut client = HealthClient::new(bench.channel());
    let one = client.check(HealthCheckRequest { service: "x".to_owned() }).await.unwrap_err();
    assert_eq!(refusal(&one), (Code::InvalidArgument, "per-service health is not supported"));
}

/// The status line and body of a GET.
async fn get(bench: &Bench, path: &str) -> (String, String) {
    let mut socket = TcpStream::connect(bench.settings.health.as_ref().unwrap().address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    in_time(socket.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn listener_tells_live_and_ready() {
    let mut bench = Bench::without_agent().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let [live_path, ready_path, startup_path] = ["/alive", "/up", "/begun"].map(str::to_owned);
    bench.settings.health = Some(HealthSettings { address: free, live_path, ready_path, startup_path });
    bench.wire.cut();
    bench.spawn();
    while TcpStream::connect(free).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&bench, "/up").await.0, "HTTP/1.1 500 Internal Server Error");
    assert_eq!(get(&bench, "/alive").await.0, "HTTP/1.1 200 OK", "an agent that waits for its server lives");
    assert_eq!(get(&bench, "/live").await.0, "HTTP/1.1 404 Not Found");
    assert_eq!(get(&bench, "/begun").await.0, "HTTP/1.1 500 Internal Server Error");
    while !bench.log().contains("Failed to retrieve attestation result") {
        tokio::task::yield_now().await;
    }
    bench.wire.lay(bench.server.address);
    bench.hand.advance(Duration::from_secs(6));
    bench.served().await;
    while get(&bench, "/up").await.0 != "HTTP/1.1 200 OK" {
        bench.settle().await;
    }
    assert_eq!(get(&bench, "/up").await.1, "{\"agent\":{}}\n");
    assert_eq!(get(&bench, "/begun").await.0, "HTTP/1.1 200 OK");
    bench.labels.fail();
    while get(&bench, "/alive").await.0 == "HTTP/1.1 200 OK" {
        bench.settle().await;
    }
    let failed =
        "{\"agent\":{\"make_new_x509_err\":\"rpc error: code = Unavailable desc = workload attestation failed\"}}\n";
    assert_eq!(get(&bench, "/alive").await.1, failed);
}
