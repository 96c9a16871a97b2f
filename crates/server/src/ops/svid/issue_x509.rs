//! Issuing of X.509-SVIDs and downstream CAs.

use std::sync::Arc;

use jiff::Timestamp;
use steeple_audit::{Actor, EventKind, Intent, IssuedFor, X509Issued};
use steeple_ca::{PreparedX509, X509Request, X509Svid};
use steeple_crypto::digest::sha256;
use tonic::Code;

use crate::api::status::Failure;
use crate::core::Core;
use crate::metrics::signed_key;

/// A certificate that only wants its signature.
pub(crate) struct Prepared {
    svid: PreparedX509,
    metric: &'static str,
}

/// Prepares what `request` asks for, with the event that is to be recorded before it is signed; `what` begins the text of a failure.
pub(crate) fn prepare(
    core: &Arc<Core>,
    now: Timestamp,
    request: X509Request<'_>,
    issued_for: Option<IssuedFor>,
    what: &str,
) -> Result<(Prepared, EventKind), Failure> {
    let (issuer, metric) = (core.x509_issuer()?, signed_key(request.profile));
    let key_fingerprint = sha256(request.public_key.spki());
    let svid = issuer.prepare(request, now).map_err(|error| Failure::of(Code::Internal, what, error))?;
    let issued = X509Issued {
        serial_number: svid.serial_number().to_owned(),
        key_fingerprint,
        expires_at: svid.expires_at(),
        issued_for,
    };
    let event = EventKind::X509SvidIssued { id: svid.id().clone(), svid: Box::new(issued) };
    Ok((Prepared { svid, metric }, event))
}

impl Prepared {
    /// Signs what `intent` has recorded.
    pub(crate) async fn sign(self, core: &Arc<Core>, intent: &Intent, what: &str) -> Result<X509Svid, Failure> {
        let svid = intent.outcome(self.svid.sign().await).await;
        let svid = svid.map_err(|error| Failure::of(Code::Internal, what, error))?;
        core.metrics.count(self.metric, &[]);
        Ok(svid)
    }
}

/// Issues what `request` asks for; `what` begins the text of a failure.
pub(crate) async fn issue(
    core: &Arc<Core>,
    actor: Actor,
    request: X509Request<'_>,
    issued_for: Option<IssuedFor>,
    what: &str,
) -> Result<X509Svid, Failure> {
    let now = core.clock.now();
    let (prepared, event) = prepare(core, now, request, issued_for, what)?;
    let intent = core.audit.record(now, actor, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, what, error))?;
    prepared.sign(core, &intent, what).await
}
