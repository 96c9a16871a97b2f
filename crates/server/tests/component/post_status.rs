//! `PostStatus`.

use steeple_proto::spire::api::server::agent::v1 as pb;
use tonic::Code;

use crate::bench::{Bench, refused};

#[tokio::test]
async fn version_is_kept_unless_it_is_too_long() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let post = async |agent_version: String| {
        let request = pb::PostStatusRequest { agent_version, ..Default::default() };
        bench.remote(&agent.chain).agent().post_status(request).await
    };
    post("1.15.3".to_owned()).await.unwrap();
    post(String::new()).await.unwrap();
    let request = pb::GetAgentRequest { id: Some(agent.id.clone()), output_mask: None };
    let known = bench.local().agent().get_agent(request).await.unwrap().into_inner();
    assert_eq!(known.agent_version, "1.15.3");
    let text = "agent version is too long (max 255 characters)".to_owned();
    assert_eq!(refused(post("v".repeat(256)).await), (Code::InvalidArgument, text));
}
