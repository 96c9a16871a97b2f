//! `BatchCreateEntry`.

use std::sync::Arc;

use steeple_audit::EventKind;
use steeple_policy::access::Object;
use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::server::entry::v1::batch_create_entry_response::Result as Item;
use steeple_proto::spire::api::types;
use steeple_store::units::{CreateEntry, Created, EntryMask};
use tonic::Code;

use crate::api::access_log::fields;
use crate::api::call::Call;
use crate::api::convert::{entry_from_pb, entry_to_pb};
use crate::api::status::{Failure, ok};
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: &pb::BatchCreateEntryRequest,
) -> pb::BatchCreateEntryResponse {
    let mut results = Vec::with_capacity(request.entries.len());
    for entry in &request.entries {
        let result = create(core, call, entry, request.output_mask.as_ref()).await;
        let result = result.unwrap_or_else(|failure| Item { status: Some(failure.item()), entry: None });
        call.item(result.status.as_ref(), || fields::entry(entry, &EntryMask::ALL));
        results.push(result);
    }
    pb::BatchCreateEntryResponse { results }
}

async fn create(
    core: &Arc<Core>,
    call: &Call,
    entry: &types::Entry,
    mask: Option<&types::EntryMask>,
) -> Result<Item, Failure> {
    let entry = entry_from_pb(core.trust_domain(), entry, &EntryMask::ALL, false)
        .map_err(|error| error.failure("failed to create entry"))?;
    let actor = call.may(&[Object::Entry(&entry, core.settings.lifetimes())])?;
    let event = EventKind::EntryCreated { entry: Box::new(entry.clone()) };
    let intent = core.audit.record(core.clock.now(), actor, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, "failed to create entry", error))?;
    let written = intent.outcome(core.store.write(CreateEntry { entry }).await).await;
    match written.map_err(|error| Failure::store("failed to create entry", &error))?.value {
        Created::New(entry) => Ok(Item { status: Some(ok()), entry: Some(entry_to_pb(&entry, mask)) }),
        // The similar entry comes with the refusal, if the caller may see it: clients read it.
        Created::Similar(entry) => {
            intent.failed("similar entry already exists").await;
            let status = Failure::new(Code::AlreadyExists, "similar entry already exists").item();
            let is_seen = call.sees(Object::Entry(&entry, core.settings.lifetimes()));
            Ok(Item { status: Some(status), entry: is_seen.then(|| entry_to_pb(&entry, mask)) })
        }
    }
}
