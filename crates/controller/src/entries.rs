//! The server's entries, by its API: lists in pages, writes in batches.

use std::time::Duration;

use steeple_clock::Clock;
use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::server::entry::v1::entry_client::EntryClient;
use steeple_proto::spire::api::types;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Most entries in one call that creates or updates.
pub(crate) const WRITES: usize = 50;
/// Most entries in one call that deletes.
pub(crate) const DELETIONS: usize = 200;
/// Entries in one page of a list.
const PAGE: i32 = 200;
/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// What became of one entry of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// The entry as the server has it, where the call tells it.
    pub(crate) entry: Option<types::Entry>,
}

impl Written {
    fn of(status: Option<types::Status>, entry: Option<types::Entry>) -> Self {
        let status = status.unwrap_or_default();
        Self { code: Code::from_i32(status.code), message: status.message, entry }
    }
}

/// A client of the server's API for entries.
#[derive(Clone)]
pub(crate) struct Entries {
    client: EntryClient<Channel>,
    clock: Clock,
}

impl Entries {
    pub(crate) fn new(channel: Channel, clock: Clock, max_answer: usize) -> Self {
        Self { client: EntryClient::new(channel).max_decoding_message_size(max_answer), clock }
    }

    /// One page of all entries with the fields that `mask` names, and the token of the next; the first for an empty token.
    pub(crate) async fn page(
        &self,
        token: String,
        mask: Option<types::EntryMask>,
    ) -> Result<(Vec<types::Entry>, String), Status> {
        let request = pb::ListEntriesRequest { page_size: PAGE, page_token: token, output_mask: mask, filter: None };
        let mut client = self.client.clone();
        let answer = self.in_time(client.list_entries(request)).await?;
        Ok((answer.entries, answer.next_page_token))
    }

    /// The entry that has this ID, if there is one.
    pub(crate) async fn entry(&self, id: &str) -> Result<Option<types::Entry>, Status> {
        let request = pb::GetEntryRequest { id: id.to_owned(), output_mask: None };
        let mut client = self.client.clone();
        match self.in_time(client.get_entry(request)).await {
            Ok(entry) => Ok(Some(entry)),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Makes at most [`WRITES`] entries. What became of each stands in their order.
    pub(crate) async fn create(&self, entries: Vec<types::Entry>) -> Result<Vec<Written>, Status> {
        let sent = entries.len();
        let request = pb::BatchCreateEntryRequest { entries, output_mask: None };
        let mut client = self.client.clone();
        let results = self.in_time(client.batch_create_entry(request)).await?.results;
        whole(sent, results.into_iter().map(|result| Written::of(result.status, result.entry)).collect())
    }

    /// Changes at most [`WRITES`] entries, by their IDs.
    pub(crate) async fn update(&self, entries: Vec<types::Entry>) -> Result<Vec<Written>, Status> {
        let sent = entries.len();
        let request = pb::BatchUpdateEntryRequest { entries, input_mask: None, output_mask: None };
        let mut client = self.client.clone();
        let results = self.in_time(client.batch_update_entry(request)).await?.results;
        whole(sent, results.into_iter().map(|result| Written::of(result.status, result.entry)).collect())
    }

    /// Deletes at most [`DELETIONS`] entries.
    pub(crate) async fn delete(&self, ids: Vec<String>) -> Result<Vec<Written>, Status> {
        let sent = ids.len();
        let mut client = self.client.clone();
        let results = self.in_time(client.batch_delete_entry(pb::BatchDeleteEntryRequest { ids })).await?.results;
        whole(sent, results.into_iter().map(|result| Written::of(result.status, None)).collect())
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, Status> {
        let answer = self.clock.timeout(DEADLINE, call).await;
        let late = |_| Status::deadline_exceeded(format!("no answer within {} s", DEADLINE.as_secs()));
        Ok(answer.map_err(late)??.into_inner())
    }
}

fn whole(sent: usize, results: Vec<Written>) -> Result<Vec<Written>, Status> {
    if results.len() == sent {
        return Ok(results);
    }
    Err(Status::internal(format!("the server answered for {} entries of {sent}", results.len())))
}
