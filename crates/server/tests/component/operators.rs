//! The Logger, Debug and Health services of the private socket.

use std::time::Duration;

use steeple_proto::grpc::health::v1 as health;
use steeple_proto::grpc::health::v1::health_client::HealthClient;
use steeple_proto::spire::api::server::debug::v1::GetInfoRequest;
use steeple_proto::spire::api::server::logger::v1 as logger;
use steeple_proto::spire::api::types::LogLevel;
use tonic::Code;

use crate::bench::{Bench, refused, spiffe_id};

#[tokio::test]
async fn log_level_is_set_and_reset() {
    let bench = Bench::new().await;
    let mut calls = bench.local().logger();
    let request = logger::SetLogLevelRequest { new_level: LogLevel::Debug.into() };
    let state = calls.set_log_level(request).await.unwrap().into_inner();
    assert_eq!((state.current_level(), state.launch_level()), (LogLevel::Debug, LogLevel::Info));
    calls.reset_log_level(logger::ResetLogLevelRequest {}).await.unwrap();
    let state = calls.get_logger(logger::GetLoggerRequest {}).await.unwrap().into_inner();
    assert_eq!(state.current_level(), LogLevel::Info);
    let text = "newLevel value cannot be LogLevel_UNSPECIFIED".to_owned();
    let unspecified = calls.set_log_level(logger::SetLogLevelRequest::default()).await;
    assert_eq!(refused(unspecified), (Code::InvalidArgument, text));
}

#[tokio::test]
async fn server_tells_of_itself() {
    let bench = Bench::new().await;
    bench.agent().await;
    bench.entry(&spiffe_id("/p"), "/w").await;
    bench.hand.advance(Duration::from_secs(90));
    let told = bench.local().debug().get_info(GetInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((told.agents_count, told.entries_count, told.federated_bundles_count, told.uptime), (1, 1, 1, 90));
    let ids: Vec<_> = told.svid_chain.iter().map(|certificate| certificate.id.clone()).collect();
    assert_eq!(ids, [Some(spiffe_id("/spire/server")), Some(spiffe_id(""))]);
    assert_eq!(told.svid_chain[0].subject, "O=SPIRE,C=US");
}

#[tokio::test]
async fn health_is_that_of_the_whole_server() {
    let bench = Bench::new().await;
    let mut calls = HealthClient::new(bench.local().service());
    let check = calls.check(health::HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(check.status(), health::health_check_response::ServingStatus::Serving);
    let request = health::HealthCheckRequest { service: "entry".to_owned() };
    let text = "per-service health is not supported".to_owned();
    assert_eq!(refused(calls.check(request).await), (Code::InvalidArgument, text));
}
