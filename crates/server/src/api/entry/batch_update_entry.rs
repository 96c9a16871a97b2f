//! `BatchUpdateEntry`.

use std::sync::Arc;

use steeple_audit::EventKind;
use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::server::entry::v1::batch_update_entry_response::Result as Item;
use steeple_proto::spire::api::types;
use steeple_store::units::{EntryMask, UpdateEntry};
use tonic::Code;

use super::decided::decide;
use crate::api::access_log::fields;
use crate::api::call::Call;
use crate::api::convert::{Unfit, entry_from_pb, entry_mask, entry_to_pb};
use crate::api::status::{Failure, ok};
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: &pb::BatchUpdateEntryRequest,
) -> pb::BatchUpdateEntryResponse {
    let input = entry_mask(request.input_mask.as_ref());
    let mut results = Vec::with_capacity(request.entries.len());
    for entry in &request.entries {
        let result = match update(core, call, entry, input, request.output_mask.as_ref()).await {
            Ok(entry) => Item { status: Some(ok()), entry: Some(entry) },
            Err(failure) => Item { status: Some(failure.item()), entry: None },
        };
        call.item(result.status.as_ref(), || fields::entry(entry, &input));
        results.push(result);
    }
    pb::BatchUpdateEntryResponse { results }
}

async fn update(
    core: &Arc<Core>,
    call: &Call,
    entry: &types::Entry,
    mask: EntryMask,
    output: Option<&types::EntryMask>,
) -> Result<types::Entry, Failure> {
    let entry = entry_from_pb(core.trust_domain(), entry, &mask, true).map_err(|error| match error {
        // What is no entry ID is no entry's ID.
        Unfit::NoId => Failure::new(Code::NotFound, "failed to update entry"),
        error => error.failure("failed to update entry"),
    })?;
    let (id, change) = (entry.id.clone(), Some((&entry, mask)));
    let unit = UpdateEntry { entry: entry.clone(), mask };
    let (actor, unit) = decide(core, call, unit, &id, change).await?;
    let event = EventKind::EntryUpdated { entry: Box::new(entry.clone()), members: mask.members() };
    let intent = core.audit.record(core.clock.now(), actor, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, "failed to update entry", error))?;
    let written = intent.outcome(core.store.write(unit).await).await;
    let written = written.map_err(|error| Failure::store("failed to update entry", &error))?;
    Ok(entry_to_pb(&written.value, output))
}
