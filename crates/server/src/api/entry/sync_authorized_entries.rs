//! `SyncAuthorizedEntries`: the entries of an agent, all at once when they are few, else their revisions first and then
//! those that the agent asks for.

use std::collections::HashMap;
use std::sync::Arc;

use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_types::Entry;
use tokio_stream::StreamExt;
use tonic::{Code, Status, Streaming};

use super::Answers;
use crate::api::call::Call;
use crate::api::convert::entry_to_pb;
use crate::api::status::Failure;
use crate::core::Core;

/// Most entries or revisions in one message.
const PAGE: usize = 500;

type Response = pb::SyncAuthorizedEntriesResponse;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    mut requests: Streaming<pb::SyncAuthorizedEntriesRequest>,
) -> Result<Answers<Response>, Status> {
    let agent = call.caller_id()?;
    // What the agent may have is settled here, before its first word, and stays so for the stream.
    let entries = core.entries.read(|index| index.authorized(agent)).await;
    let entries = entries.map_err(|error| Failure::of(Code::Internal, "failed to fetch entries", error))?;
    let Some(first) = requests.next().await else { return Ok(Box::pin(tokio_stream::empty())) };
    let first = first?;
    if !first.ids.is_empty() {
        return Err(Status::invalid_argument("specifying IDs on initial request is not supported"));
    }
    let mask = first.output_mask;
    if mask.is_some_and(|mask| !mask.revision_number) {
        return Err(Status::invalid_argument("revision number cannot be masked"));
    }
    if entries.len() <= PAGE {
        let entries = entries.iter().map(|entry| entry_to_pb(entry, mask.as_ref())).collect();
        let whole = Response { entries, ..Response::default() };
        return Ok(Box::pin(tokio_stream::once(Ok(whole))));
    }
    let revisions = tokio_stream::iter(revision_pages(&entries));
    let by_id: HashMap<String, Arc<Entry>> = entries.into_iter().map(|entry| (entry.id.to_string(), entry)).collect();
    let asked = requests.map(move |request| match request {
        Ok(request) => entry_pages(&by_id, request.ids, mask.as_ref()),
        // An agent that has seen enough ends the stream by cancelling it.
        Err(status) if status.code() == Code::Cancelled => Vec::new(),
        Err(status) => vec![Err(status)],
    });
    let asked = futures::StreamExt::flat_map(asked, tokio_stream::iter);
    Ok(Box::pin(futures::StreamExt::chain(revisions, asked)))
}

fn revision_pages(entries: &[Arc<Entry>]) -> Vec<Result<Response, Status>> {
    let revision = |entry: &Arc<Entry>| pb::EntryRevision {
        id: entry.id.to_string(),
        revision_number: entry.revision_number,
        created_at: entry.created_at.as_second(),
    };
    let pages = entries.chunks(PAGE).map(|page| page.iter().map(revision).collect());
    with_more(pages.map(|entry_revisions| Response { entry_revisions, ..Response::default() }).collect())
}

fn entry_pages(
    entries: &HashMap<String, Arc<Entry>>,
    mut ids: Vec<String>,
    mask: Option<&types::EntryMask>,
) -> Vec<Result<Response, Status>> {
    ids.sort_unstable();
    let found: Vec<types::Entry> =
        ids.iter().filter_map(|id| entries.get(id)).map(|entry| entry_to_pb(entry, mask)).collect();
    if found.is_empty() {
        return vec![Ok(Response::default())];
    }
    let pages = found.chunks(PAGE).map(|page| Response { entries: page.to_vec(), ..Response::default() });
    with_more(pages.collect())
}

/// Marks all messages but the last as followed by another.
fn with_more(mut pages: Vec<Response>) -> Vec<Result<Response, Status>> {
    let last = pages.len().saturating_sub(1);
    for page in pages.iter_mut().take(last) {
        page.more = true;
    }
    pages.into_iter().map(Ok).collect()
}
