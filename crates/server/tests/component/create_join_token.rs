//! `CreateJoinToken`, and the entry that comes with it.

use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_proto::spire::api::server::entry::v1::{GetAuthorizedEntriesRequest, ListEntriesRequest};
use tonic::Code;

use crate::bench::{Bench, at, refused, spiffe_id};

#[tokio::test]
async fn token_with_an_id_gives_the_agent_an_entry_that_goes_with_it() {
    let bench = Bench::new().await;
    let request = pb::CreateJoinTokenRequest { ttl: 60, token: "mine".to_owned(), agent_id: Some(spiffe_id("/node")) };
    let token = bench.local().agent().create_join_token(request).await.unwrap().into_inner();
    assert_eq!((token.value.as_str(), token.expires_at), ("mine", at(60).as_second()));
    let svid = bench.attest("mine").await.unwrap();
    let agent = spiffe_id("/spire/agent/join_token/mine");
    let request = GetAuthorizedEntriesRequest { output_mask: None };
    let entries = bench.remote(&svid.cert_chain).entry().get_authorized_entries(request).await.unwrap();
    let entries = entries.into_inner().entries;
    assert_eq!((entries.len(), &entries[0].spiffe_id), (1, &Some(spiffe_id("/node"))));
    assert_eq!(entries[0].parent_id.as_ref(), Some(&agent));
    assert_eq!(entries[0].selectors[0].r#type, "spiffe_id");
    assert_eq!(entries[0].selectors[0].value, "spiffe://example.org/spire/agent/join_token/mine");

    bench.local().agent().delete_agent(pb::DeleteAgentRequest { id: Some(agent) }).await.unwrap();
    let left = bench.local().entry().list_entries(ListEntriesRequest::default()).await.unwrap().into_inner().entries;
    assert_eq!(left, []);
}

#[tokio::test]
async fn token_needs_a_lifetime_and_an_id_that_is_not_reserved() {
    let bench = Bench::new().await;
    let create = async |ttl, agent_id| {
        let request = pb::CreateJoinTokenRequest { ttl, agent_id, ..Default::default() };
        refused(bench.local().agent().create_join_token(request).await)
    };
    let text = "ttl is required, you must provide one".to_owned();
    assert_eq!(create(0, None).await, (Code::InvalidArgument, text));
    let (code, text) = create(60, Some(spiffe_id("/spire/agent/x"))).await;
    assert_eq!((code, text.starts_with("invalid agent ID: ")), (Code::InvalidArgument, true), "{text}");
}
