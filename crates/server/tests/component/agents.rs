//! `ListAgents`, `CountAgents`, `GetAgent`, `BanAgent` and `DeleteAgent`.

use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_proto::spire::api::types;
use tonic::Code;

use crate::bench::{Bench, refused, spiffe_id};

async fn list(bench: &Bench, filter: pb::list_agents_request::Filter) -> Vec<types::Agent> {
    let request = pb::ListAgentsRequest { filter: Some(filter), ..Default::default() };
    bench.local().agent().list_agents(request).await.unwrap().into_inner().agents
}

#[tokio::test]
async fn banned_agents_keep_their_row_and_evicted_ones_do_not() {
    let bench = Bench::new().await;
    let (one, two) = (bench.agent().await, bench.agent().await);
    bench.local().agent().ban_agent(pb::BanAgentRequest { id: Some(one.id.clone()) }).await.unwrap();
    let banned = |banned| pb::list_agents_request::Filter { by_banned: Some(banned), ..Default::default() };
    let (yes, no) = (list(&bench, banned(true)).await, list(&bench, banned(false)).await);
    assert_eq!((yes.len(), yes[0].id.clone(), yes[0].banned), (1, Some(one.id.clone()), true));
    assert_eq!((no.len(), no[0].id.clone(), no[0].banned), (1, Some(two.id.clone()), false));

    let delete = pb::DeleteAgentRequest { id: Some(two.id.clone()) };
    bench.local().agent().delete_agent(delete.clone()).await.unwrap();
    let count = bench.local().agent().count_agents(pb::CountAgentsRequest::default()).await.unwrap();
    assert_eq!(count.into_inner().count, 1);
    let gone = (Code::NotFound, "agent not found".to_owned());
    assert_eq!(refused(bench.local().agent().delete_agent(delete).await), gone);
    let get = pb::GetAgentRequest { id: Some(two.id.clone()), output_mask: None };
    assert_eq!(refused(bench.local().agent().get_agent(get).await), gone);
    let ban = pb::BanAgentRequest { id: Some(two.id) };
    assert_eq!(refused(bench.local().agent().ban_agent(ban).await), gone);
}

#[tokio::test]
async fn mask_leaves_out_what_was_not_asked_for() {
    let bench = Bench::new().await;
    let id = Some(bench.agent().await.id);
    let output_mask = Some(types::AgentMask { attestation_type: true, ..Default::default() });
    let request = pb::GetAgentRequest { id: id.clone(), output_mask };
    let agent = bench.local().agent().get_agent(request).await.unwrap().into_inner();
    assert_eq!(agent, types::Agent { id, attestation_type: "join_token".to_owned(), ..Default::default() });
}

#[tokio::test]
async fn ids_that_are_no_agents_are_refused_with_the_reason() {
    let bench = Bench::new().await;
    let ban = async |id| refused(bench.local().agent().ban_agent(pb::BanAgentRequest { id }).await);
    let text = |text: &str| (Code::InvalidArgument, format!("invalid agent ID: {text}"));
    assert_eq!(ban(None).await, text("request must specify SPIFFE ID"));
    let reason =
        r#""spiffe://example.org/w" is not an agent in trust domain "example.org"; path is not in the agent namespace"#;
    assert_eq!(ban(Some(spiffe_id("/w"))).await, text(reason));
    let foreign = types::Spiffeid { trust_domain: "other.example".to_owned(), path: "/spire/agent/x".to_owned() };
    let reason = r#""spiffe://other.example/spire/agent/x" is not a member of trust domain "example.org""#;
    assert_eq!(ban(Some(foreign)).await, text(reason));
}

#[tokio::test]
async fn pages_end_with_an_empty_one() {
    let bench = Bench::new().await;
    for _ in 0..2 {
        bench.agent().await;
    }
    let page = async |page_token: String| {
        let request = pb::ListAgentsRequest { page_size: 1, page_token, ..Default::default() };
        let page = bench.local().agent().list_agents(request).await.unwrap().into_inner();
        (page.agents.len(), page.next_page_token)
    };
    let (first, token) = page(String::new()).await;
    let (second, token) = page(token).await;
    let (third, end) = page(token).await;
    assert_eq!((first, second, third, end.as_str()), (1, 1, 0, ""));
}

#[tokio::test]
async fn empty_set_of_selectors_is_refused() {
    let bench = Bench::new().await;
    let selectors = Some(types::SelectorMatch::default());
    let filter = pb::list_agents_request::Filter { by_selector_match: selectors.clone(), ..Default::default() };
    let request = pb::ListAgentsRequest { filter: Some(filter), ..Default::default() };
    let listed = refused(bench.local().agent().list_agents(request).await);
    assert_eq!(listed, (Code::Internal, "failed to list agents: cannot list by empty selectors set".to_owned()));
    let filter = pb::count_agents_request::Filter { by_selector_match: selectors, ..Default::default() };
    let request = pb::CountAgentsRequest { filter: Some(filter) };
    let counted = refused(bench.local().agent().count_agents(request).await);
    assert_eq!(counted, (Code::Internal, "failed to count agents: cannot list by empty selectors set".to_owned()));
}
