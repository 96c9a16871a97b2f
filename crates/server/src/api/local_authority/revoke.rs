//! `RevokeX509Authority` and `RevokeJWTAuthority`.

use std::sync::Arc;

use steeple_ca::AuthorityKind;
use steeple_proto::spire::api::server::localauthority::v1 as pb;
use tonic::Status;
use tracing::info;

use super::{about, ask, check_enabled, only_id};
use crate::api::access::second_person;
use crate::api::call::Call;
use crate::authorities::Request;
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    kind: AuthorityKind,
    id: &str,
) -> Result<Option<pb::AuthorityState>, Status> {
    let about = about(call, id);
    check_enabled(core, kind)?;
    second_person(core, call, &format!("the authority {id}"), id.as_bytes()).await?;
    ask(core, call, Request::Revoke(kind, id.to_owned()), about).await?;
    info!(local_authority_id = id, "{} authority revoked successfully", kind.title());
    Ok(Some(only_id(id)))
}
