//! `ListEntries`, `CountEntries` and `GetEntry`.

use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::types;
use tonic::Code;

use crate::bench::{Bench, refused, spiffe_id};

type Filter = pb::list_entries_request::Filter;

async fn paths(bench: &Bench, filter: Filter) -> Vec<String> {
    let request = pb::ListEntriesRequest { filter: Some(filter), ..Default::default() };
    let entries = bench.local().entry().list_entries(request).await.unwrap().into_inner().entries;
    entries.into_iter().map(|entry| entry.spiffe_id.unwrap().path).collect()
}

#[tokio::test]
async fn filters_choose() {
    let bench = Bench::new().await;
    let parent = bench.agent().await.id;
    bench.entry(&parent, "/a").await;
    bench.entry(&spiffe_id("/a"), "/b").await;
    assert_eq!(paths(&bench, Filter::default()).await, ["/a", "/b"]);
    let by_parent = Filter { by_parent_id: Some(parent), ..Default::default() };
    assert_eq!(paths(&bench, by_parent).await, ["/a"]);
    let by_id = Filter { by_spiffe_id: Some(spiffe_id("/b")), ..Default::default() };
    assert_eq!(paths(&bench, by_id).await, ["/b"]);
    let count = pb::CountEntriesRequest {
        filter: Some(pb::count_entries_request::Filter { by_downstream: Some(true), ..Default::default() }),
    };
    assert_eq!(bench.local().entry().count_entries(count).await.unwrap().into_inner().count, 0);
}

#[tokio::test]
async fn filters_that_say_nothing_are_refused() {
    let bench = Bench::new().await;
    let list = async |filter: Filter| {
        let request = pb::ListEntriesRequest { filter: Some(filter), ..Default::default() };
        refused(bench.local().entry().list_entries(request).await)
    };
    let text = |text: &str| (Code::InvalidArgument, text.to_owned());
    let selectors = Filter { by_selectors: Some(types::SelectorMatch::default()), ..Default::default() };
    assert_eq!(list(selectors).await, text("malformed selectors filter: empty selector set"));
    let domains = Filter { by_federates_with: Some(types::FederatesWithMatch::default()), ..Default::default() };
    assert_eq!(list(domains).await, text("malformed federates with filter: empty trust domain set"));
    let r#match = 77;
    let selectors = vec![types::Selector { r#type: "unix".to_owned(), value: "uid:1".to_owned() }];
    let selectors = Filter { by_selectors: Some(types::SelectorMatch { selectors, r#match }), ..Default::default() };
    let said = "malformed selectors filter: unhandled selectors match behavior 77";
    assert_eq!(list(selectors).await, text(said));
    let trust_domains = vec!["other.test".to_owned()];
    let domains = types::FederatesWithMatch { trust_domains, r#match };
    let domains = Filter { by_federates_with: Some(domains), ..Default::default() };
    let said = "malformed federates with filter: unhandled federates with match behavior 77";
    assert_eq!(list(domains).await, text(said));
    let reserved = Filter { by_spiffe_id: Some(spiffe_id("/spire/agent/a")), ..Default::default() };
    assert!(list(reserved).await.1.starts_with("malformed SPIFFE ID filter: "));
}

#[tokio::test]
async fn pages_follow_and_a_token_without_size_is_ignored() {
    let bench = Bench::new().await;
    for path in ["/a", "/b", "/c"] {
        bench.entry(&spiffe_id("/parent"), path).await;
    }
    let page = async |page_size, page_token: String| {
        let request = pb::ListEntriesRequest { page_size, page_token, ..Default::default() };
        let page = bench.local().entry().list_entries(request).await.unwrap().into_inner();
        (page.entries.len(), page.next_page_token)
    };
    let (first, token) = page(2, String::new()).await;
    let (second, last) = page(2, token.clone()).await;
    assert_eq!((first, second, page(2, last).await), (2, 1, (0, String::new())));
    assert_eq!(page(0, token).await, (3, String::new()));
}

#[tokio::test]
async fn one_entry_is_found_by_its_id() {
    let bench = Bench::new().await;
    let entry = bench.entry(&spiffe_id("/parent"), "/a").await;
    let get = async |id: &str| {
        let request = pb::GetEntryRequest { id: id.to_owned(), output_mask: None };
        bench.local().entry().get_entry(request).await
    };
    assert_eq!(get(&entry.id).await.unwrap().into_inner(), entry);
    assert_eq!(refused(get("").await), (Code::InvalidArgument, "missing ID".to_owned()));
    assert_eq!(refused(get("nobody").await), (Code::NotFound, "entry not found".to_owned()));
}
