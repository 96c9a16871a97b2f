//! Issuing of X.509-SVIDs and downstream CAs.

use std::sync::Arc;

use steeple_audit::{Actor, EventKind};
use steeple_ca::{X509Request, X509Svid};
use steeple_types::EntryId;
use tonic::Code;

use crate::api::status::Failure;
use crate::core::Core;
use crate::metrics::signed_key;

/// Issues what `request` asks for; `what` begins the text of a failure.
pub(crate) async fn issue(
    core: &Arc<Core>,
    actor: Actor,
    request: X509Request<'_>,
    entry_id: Option<EntryId>,
    what: &str,
) -> Result<X509Svid, Failure> {
    let now = core.clock.now();
    let (issuer, signed) = (core.x509_issuer()?, signed_key(request.profile));
    let prepared = issuer.prepare(request, now).map_err(|error| Failure::of(Code::Internal, what, error))?;
    let event = EventKind::X509SvidIssued {
        id: prepared.id().clone(),
        serial_number: prepared.serial_number().to_owned(),
        expires_at: prepared.expires_at(),
        entry_id,
    };
    core.audit.record(now, actor, event).await.map_err(|error| Failure::of(Code::Internal, what, error))?;
    let svid = prepared.sign().await.map_err(|error| Failure::of(Code::Internal, what, error))?;
    core.metrics.count(signed, &[]);
    Ok(svid)
}
