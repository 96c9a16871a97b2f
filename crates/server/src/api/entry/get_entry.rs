//! `GetEntry`.

use std::sync::Arc;

use steeple_policy::access::Object;
use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_types::EntryId;
use tonic::{Code, Status};

use crate::api::call::Call;
use crate::api::convert::entry_to_pb;
use crate::api::status::Failure;
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::GetEntryRequest,
) -> Result<types::Entry, Status> {
    if request.id.is_empty() {
        return Err(Failure::new(Code::InvalidArgument, "missing ID").into());
    }
    call.asks("entry_id", request.id.as_str());
    let not_found = || Failure::new(Code::NotFound, "entry not found");
    // What is no entry ID is no entry's ID.
    let id = EntryId::parse(&request.id).map_err(|_| not_found())?;
    let entry = core.store.read("registration_entry.fetch", move |tx| tx.entry(&id)).await;
    let entry = entry.map_err(|error| Failure::of(Code::Internal, "failed to fetch entry", error))?;
    let entry = entry.ok_or_else(not_found)?;
    call.may(&[Object::Entry(&entry, core.settings.lifetimes())])?;
    Ok(entry_to_pb(&entry, request.output_mask.as_ref()))
}
