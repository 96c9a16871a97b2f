//! The entries that this agent is authorised for. Only those are fetched whole that are new or have changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::server::entry::v1::entry_client::EntryClient;
use steeple_proto::spire::api::types;
use steeple_types::{Entry, EntryId};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::convert::entry_from_pb;

/// Entries by ID.
pub(crate) type Entries = BTreeMap<EntryId, Arc<Entry>>;

/// What the agent wants to know of an entry.
const MASK: types::EntryMask = types::EntryMask {
    spiffe_id: true,
    parent_id: false,
    selectors: true,
    x509_svid_ttl: false,
    federates_with: true,
    admin: true,
    downstream: true,
    expires_at: false,
    dns_names: false,
    revision_number: true,
    store_svid: true,
    jwt_svid_ttl: false,
    hint: true,
    created_at: true,
    additional_attributes: true,
};

/// Most entries asked for in one message.
const PAGE: usize = 500;
/// Largest answer taken, in bytes.
const MAX_MESSAGE: usize = 64 << 20;

/// Fetches the entries; those that `known` holds in the same revision are taken from there.
pub(crate) async fn fetch_entries(channel: Channel, known: &Entries) -> Result<Entries, Status> {
    let mut client = EntryClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
    match sync(&mut client, known).await {
        Err(status) if status.code() == Code::Unimplemented => {
            let request = pb::GetAuthorizedEntriesRequest { output_mask: Some(MASK) };
            Ok(read(&client.get_authorized_entries(request).await?.into_inner().entries))
        }
        other => other,
    }
}

async fn sync(client: &mut EntryClient<Channel>, known: &Entries) -> Result<Entries, Status> {
    let (sender, receiver) = mpsc::channel(1);
    let ended = |_| Status::unavailable("sync stream ended");
    let first = pb::SyncAuthorizedEntriesRequest { output_mask: Some(MASK), ids: Vec::new() };
    sender.send(first).await.map_err(ended)?;
    let mut answers = client.sync_authorized_entries(ReceiverStream::new(receiver)).await?.into_inner();
    let (mut revisions, mut entries) = (Vec::new(), Vec::new());
    // An empty answer at once means that there is no entry at all.
    while let Some(answer) = answers.message().await? {
        revisions.extend(answer.entry_revisions);
        entries.extend(answer.entries);
        if !answer.more {
            break;
        }
    }
    if revisions.is_empty() {
        return Ok(read(&entries));
    }
    let mut current: Entries = BTreeMap::new();
    let mut stale = Vec::new();
    let by_text: HashMap<&str, &Arc<Entry>> = known.iter().map(|(id, entry)| (id.as_str(), entry)).collect();
    for revision in revisions {
        match by_text.get(revision.id.as_str()) {
            Some(entry)
                if entry.revision_number == revision.revision_number
                    && entry.created_at.as_second() == revision.created_at =>
            {
                current.insert(entry.id.clone(), Arc::clone(entry));
            }
            _ => stale.push(revision.id),
        }
    }
    for page in stale.chunks(PAGE) {
        let request = pb::SyncAuthorizedEntriesRequest { output_mask: None, ids: page.to_vec() };
        sender.send(request).await.map_err(|_| Status::unavailable("sync stream ended"))?;
        loop {
            let answer = answers.message().await?.ok_or_else(|| Status::unavailable("sync stream ended"))?;
            current.extend(read(&answer.entries));
            if !answer.more {
                break;
            }
        }
    }
    Ok(current)
}

fn read(entries: &[types::Entry]) -> Entries {
    let read = entries.iter().filter_map(entry_from_pb);
    read.map(|entry| (entry.id.clone(), Arc::new(entry))).collect()
}
