//! `BatchDeleteEntry`.

use std::sync::Arc;

use steeple_audit::EventKind;
use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::server::entry::v1::batch_delete_entry_response::Result as Item;
use steeple_store::ErrorClass;
use steeple_store::units::DeleteEntry;
use steeple_types::EntryId;
use tonic::Code;

use super::decided::decide;
use crate::api::access_log::fields::fields;
use crate::api::call::Call;
use crate::api::status::{Failure, ok};
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::BatchDeleteEntryRequest,
) -> pb::BatchDeleteEntryResponse {
    let mut results = Vec::with_capacity(request.ids.len());
    for id in request.ids {
        let status = delete(core, call, &id).await.map_or_else(Failure::item, |()| ok());
        call.item(Some(&status), || fields([("entry_id", id.as_str().into())]));
        results.push(Item { status: Some(status), id });
    }
    pb::BatchDeleteEntryResponse { results }
}

async fn delete(core: &Arc<Core>, call: &Call, id: &str) -> Result<(), Failure> {
    if id.is_empty() {
        return Err(Failure::new(Code::InvalidArgument, "missing entry ID"));
    }
    let not_found = || Failure::new(Code::NotFound, "entry not found");
    let id = EntryId::parse(id).map_err(|_| not_found())?;
    let (actor, unit) = decide(core, call, DeleteEntry { id: id.clone() }, &id, None).await?;
    let event = EventKind::EntryDeleted { id: id.clone() };
    let intent = core.audit.record(core.clock.now(), actor, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, "failed to delete entry", error))?;
    match intent.outcome(core.store.write(unit).await).await {
        Ok(_) => Ok(()),
        Err(error) if error.class == ErrorClass::NotFound => Err(not_found()),
        Err(error) => Err(Failure::of(Code::Internal, "failed to delete entry", error)),
    }
}
