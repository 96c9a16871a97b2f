//! Issuing of JWT-SVIDs.

use std::sync::Arc;

use steeple_audit::{Actor, EventKind, IssuedFor};
use steeple_ca::{IssueError, JwtRequest, JwtSvid};
use tonic::Code;

use crate::api::status::Failure;
use crate::core::Core;
use crate::metrics::JWT_SVID_SIGNED;

const WHAT: &str = "failed to sign JWT-SVID";

pub(crate) async fn issue(
    core: &Arc<Core>,
    actor: Actor,
    request: JwtRequest,
    issued_for: Option<IssuedFor>,
) -> Result<JwtSvid, Failure> {
    let now = core.clock.now();
    let issuer = core.jwt_issuer()?;
    let id = request.id.clone();
    let prepared = issuer.prepare(request, now).map_err(|error| match error {
        IssueError::NoAudience => Failure::new(Code::InvalidArgument, error.to_string()),
        _ => Failure::of(Code::Internal, WHAT, error),
    })?;
    let event = EventKind::JwtSvidIssued {
        id,
        jti: prepared.jti().map(str::to_owned),
        expires_at: prepared.expires_at(),
        issued_for,
    };
    let intent =
        core.audit.record(now, actor, event).await.map_err(|error| Failure::of(Code::Internal, WHAT, error))?;
    let svid = intent.outcome(prepared.sign().await).await;
    let svid = svid.map_err(|error| Failure::of(Code::Internal, WHAT, error))?;
    core.metrics.count(JWT_SVID_SIGNED, &[]);
    Ok(svid)
}
