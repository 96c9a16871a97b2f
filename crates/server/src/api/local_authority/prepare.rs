//! `PrepareX509Authority` and `PrepareJWTAuthority`.

use std::sync::Arc;

use steeple_ca::AuthorityKind;
use steeple_proto::spire::api::server::localauthority::v1 as pb;
use tonic::Status;
use tracing::Span;

use super::{ask, check_enabled, to_pb};
use crate::api::call::Call;
use crate::authorities::Request;
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    kind: AuthorityKind,
) -> Result<Option<pb::AuthorityState>, Status> {
    check_enabled(core, kind)?;
    let prepared = ask(core, call, Request::Prepare(kind), Span::none()).await?;
    Ok(prepared.map(to_pb))
}
