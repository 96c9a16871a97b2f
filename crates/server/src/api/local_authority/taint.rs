//! `TaintX509Authority` and `TaintJWTAuthority`.

use std::sync::Arc;

use steeple_ca::AuthorityKind;
use steeple_proto::spire::api::server::localauthority::v1 as pb;
use tonic::Status;
use tracing::info;

use super::{about, ask, check_enabled, only_id, to_pb};
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
    let tainted = ask(core, call, Request::Taint(kind, id.to_owned()), about).await?;
    info!(local_authority_id = id, "{} authority tainted successfully", kind.title());
    Ok(match kind {
        AuthorityKind::X509 => tainted.map(to_pb),
        // SPIRE tells no more of these.
        AuthorityKind::Jwt => Some(only_id(id)),
    })
}
