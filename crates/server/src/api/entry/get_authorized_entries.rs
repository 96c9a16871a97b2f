//! `GetAuthorizedEntries`.

use std::sync::Arc;

use steeple_proto::spire::api::server::entry::v1 as pb;
use tonic::{Code, Status};

use crate::api::call::Call;
use crate::api::convert::entry_to_pb;
use crate::api::status::Failure;
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::GetAuthorizedEntriesRequest,
) -> Result<pb::GetAuthorizedEntriesResponse, Status> {
    let agent = call.caller_id()?;
    let entries = core.entries.read(|index| index.authorized(agent)).await;
    let entries = entries.map_err(|error| Failure::of(Code::Internal, "failed to fetch entries", error))?;
    let mask = request.output_mask.as_ref();
    Ok(pb::GetAuthorizedEntriesResponse { entries: entries.iter().map(|entry| entry_to_pb(entry, mask)).collect() })
}
