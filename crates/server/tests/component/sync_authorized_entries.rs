//! `SyncAuthorizedEntries`.

use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::types;
use tonic::Code;

use crate::bench::{Agent, Bench, entry, refused};

type Request = pb::SyncAuthorizedEntriesRequest;
type Response = pb::SyncAuthorizedEntriesResponse;

async fn sync(bench: &Bench, agent: &Agent, requests: Vec<Request>) -> Result<Vec<Response>, tonic::Status> {
    let mut calls = bench.remote(&agent.chain).entry();
    let mut answers = calls.sync_authorized_entries(tokio_stream::iter(requests)).await?.into_inner();
    let mut all = Vec::new();
    while let Some(answer) = answers.message().await? {
        all.push(answer);
    }
    Ok(all)
}

async fn register(bench: &Bench, agent: &Agent, count: usize) {
    let numbered =
        |number: usize| types::Entry { id: format!("{number:04}"), ..entry(&agent.id, &format!("/w{number}")) };
    let entries = (0..count).map(numbered).collect();
    let request = pb::BatchCreateEntryRequest { entries, output_mask: None };
    bench.local().entry().batch_create_entry(request).await.unwrap();
}

#[tokio::test]
async fn few_entries_come_whole_and_end_the_stream() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    assert_eq!(sync(&bench, &agent, vec![Request::default()]).await.unwrap(), [Response::default()]);
    register(&bench, &agent, 2).await;
    let mask = types::EntryMask { revision_number: true, ..Default::default() };
    let request = Request { output_mask: Some(mask), ids: vec![] };
    let answers = sync(&bench, &agent, vec![request]).await.unwrap();
    assert_eq!((answers.len(), answers[0].entries.len(), answers[0].more), (1, 2, false));
    assert_eq!(answers[0].entries[0].spiffe_id, None);
}

#[tokio::test]
async fn first_request_must_leave_ids_out_and_revisions_in() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let ids = Request { output_mask: None, ids: vec!["a".to_owned()] };
    let text = "specifying IDs on initial request is not supported".to_owned();
    assert_eq!(refused(sync(&bench, &agent, vec![ids]).await), (Code::InvalidArgument, text));
    let mask = Request { output_mask: Some(types::EntryMask::default()), ids: vec![] };
    let text = "revision number cannot be masked".to_owned();
    assert_eq!(refused(sync(&bench, &agent, vec![mask]).await), (Code::InvalidArgument, text));
}

#[tokio::test]
async fn many_entries_come_as_revisions_first() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    register(&bench, &agent, 511).await;
    let ask = |ids: &[&str]| Request { output_mask: None, ids: ids.iter().map(|id| (*id).to_owned()).collect() };
    let requests = vec![Request::default(), ask(&["0500", "0003", "nobody"]), ask(&["nobody"])];
    let answers = sync(&bench, &agent, requests).await.unwrap();
    let shape: Vec<_> = answers.iter().map(|a| (a.entry_revisions.len(), a.entries.len(), a.more)).collect();
    assert_eq!(shape, [(500, 0, true), (11, 0, false), (0, 2, false), (0, 0, false)]);
    let ids: Vec<&str> = answers[2].entries.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids, ["0003", "0500"]);
}
