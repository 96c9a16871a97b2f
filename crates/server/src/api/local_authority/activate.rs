//! `ActivateX509Authority` and `ActivateJWTAuthority`.

use std::sync::Arc;

use steeple_ca::AuthorityKind;
use steeple_proto::spire::api::server::localauthority::v1 as pb;
use tonic::Status;

use super::{about, ask, check_enabled, to_pb};
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
    let activated = ask(core, call, Request::Activate(kind, id.to_owned()), about).await?;
    Ok(activated.map(to_pb))
}
