//! `PublishJWTAuthority`: the JWT key of a server below this one.

use std::sync::Arc;

use steeple_audit::EventKind;
use steeple_proto::spire::api::server::bundle::v1 as pb;
use tonic::{Code, Status};

use crate::api::access_log::fields::digest;
use crate::api::call::Call;
use crate::api::convert::{jwt_authority, jwt_authority_to_pb};
use crate::api::status::Failure;
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::PublishJwtAuthorityRequest,
) -> Result<pb::PublishJwtAuthorityResponse, Status> {
    let Some(authority) = request.jwt_authority else {
        return Err(Failure::new(Code::InvalidArgument, "missing JWT authority").into());
    };
    call.asks("jwt_authority_expires_at", authority.expires_at);
    call.asks("jwt_authority_key_id", authority.key_id.as_str());
    call.asks("jwt_authority_public_key_sha256", digest(&authority.public_key));
    let key = jwt_authority(&authority).map_err(|error| Failure::malformed("invalid JWT authority", error))?;
    let event = EventKind::JwtKeyPublished { authority_id: key.key_id.clone() };
    let intent = core.audit.record(core.clock.now(), call.own_actor()?, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, "failed to publish JWT key", error))?;
    let published = intent.outcome(core.jwt_keys.publish(key).await).await;
    let published = published.map_err(|error| Failure::of(Code::Internal, "failed to publish JWT key", error))?;
    Ok(pb::PublishJwtAuthorityResponse { jwt_authorities: published.iter().map(jwt_authority_to_pb).collect() })
}
