//! Messages that are larger than Go's gRPC servers take them.

use steeple_proto::envoy::service::discovery::v3 as pb;
use tokio_stream::once;
use tonic::{Code, Status};

use crate::bench::{Bench, in_time, next};
use crate::sds::client;

/// The size that Go's gRPC servers take at most.
const LIMIT: usize = 4 << 20;

/// Asserts that a message was refused for its size, `more` bytes of which are around what the test has put in.
fn assert_is_told_as_by_go(status: &Status, more: usize) {
    let size = LIMIT + more;
    let text = format!("grpc: received message larger than max ({size} vs. {LIMIT})");
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, text.as_str()));
}

#[tokio::test]
async fn oversized_call_of_a_workload_is_answered_as_from_go_and_counted_so() {
    let bench = Bench::new().await;
    let token = "t".repeat(LIMIT);
    let status = bench.workload().validate("x", &token).await.unwrap_err();
    // A tag and a length of one byte for `x`, a tag and a length of four bytes for the token.
    assert_is_told_as_by_go(&status, 3 + 5);
    let counted = bench.metrics.render();
    let line = |line: &&str| line.starts_with("spire_agent_rpc_workload_api_validate_jwtsvid{");
    assert!(counted.lines().find(line).unwrap().contains("status=\"ResourceExhausted\""), "{counted}");
    let status = bench.workload().validate("x", "a.b").await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "the agent goes on: {status:?}");
}

#[tokio::test]
async fn oversized_request_in_a_stream_of_envoy_ends_it_as_from_go() {
    let bench = Bench::new().await;
    let request = pb::DiscoveryRequest { resource_names: vec!["n".repeat(LIMIT)], ..Default::default() };
    let mut answers = in_time(client(&bench).stream_secrets(once(request))).await.unwrap().into_inner();
    assert_is_told_as_by_go(&next(&mut answers).await.unwrap_err(), 5);
}
