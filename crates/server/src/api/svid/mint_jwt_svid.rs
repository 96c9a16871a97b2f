//! `MintJWTSVID`: a token that an administrator asked for.

use std::sync::Arc;
use std::time::Duration;

use steeple_ca::JwtRequest;
use steeple_policy::access::Object;
use steeple_proto::spire::api::server::svid::v1 as pb;
use tonic::Status;

use super::{check_jwt, jwt_to_pb};
use crate::api::call::Call;
use crate::api::convert::workload_id;
use crate::api::status::Failure;
use crate::core::Core;
use crate::ops::svid::issue_jwt;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::MintJwtsvidRequest,
) -> Result<pb::MintJwtsvidResponse, Status> {
    check_jwt(core)?;
    let id = workload_id(core.trust_domain(), request.id.as_ref());
    let id = id.map_err(|error| Failure::malformed("invalid SPIFFE ID", error))?;
    call.asks("ttl", request.ttl);
    call.asks("spiffe_id", id.as_str());
    call.asks("audience", request.audience.join(","));
    let ttl = match u64::try_from(request.ttl) {
        Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ => core.settings.default_jwt_svid_ttl,
    };
    let actor = call.may(&[Object::JwtSvid { id: &id, ttl }])?;
    let mint = JwtRequest { id, audience: request.audience, ttl, include_jti: false };
    let svid = issue_jwt::issue(core, actor, mint, None).await?;
    Ok(pb::MintJwtsvidResponse { svid: Some(jwt_to_pb(svid)) })
}
