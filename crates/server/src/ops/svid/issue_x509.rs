//! Issuing of X.509-SVIDs and downstream CAs.

use std::sync::Arc;

use steeple_audit::{Actor, EventKind, IssuedFor, X509Issued};
use steeple_ca::{X509Request, X509Svid};
use steeple_crypto::digest::sha256;
use tonic::Code;

use crate::api::status::Failure;
use crate::core::Core;
use crate::metrics::signed_key;

/// Issues what `request` asks for; `what` begins the text of a failure.
pub(crate) async fn issue(
    core: &Arc<Core>,
    actor: Actor,
    request: X509Request<'_>,
    issued_for: Option<IssuedFor>,
    what: &str,
) -> Result<X509Svid, Failure> {
    let now = core.clock.now();
    let (issuer, signed) = (core.x509_issuer()?, signed_key(request.profile));
    let key_fingerprint = sha256(request.public_key.spki());
    let prepared = issuer.prepare(request, now).map_err(|error| Failure::of(Code::Internal, what, error))?;
    let svid = X509Issued {
        serial_number: prepared.serial_number().to_owned(),
        key_fingerprint,
        expires_at: prepared.expires_at(),
        issued_for,
    };
    let event = EventKind::X509SvidIssued { id: prepared.id().clone(), svid: Box::new(svid) };
    let intent =
        core.audit.record(now, actor, event).await.map_err(|error| Failure::of(Code::Internal, what, error))?;
    let svid = intent.outcome(prepared.sign().await).await;
    let svid = svid.map_err(|error| Failure::of(Code::Internal, what, error))?;
    core.metrics.count(signed, &[]);
    Ok(svid)
}
