//! `NewJWTSVID`: a token for an entry that the calling agent is authorised for.

use std::sync::Arc;
use std::time::Duration;

use steeple_ca::JwtRequest;
use steeple_proto::spire::api::server::svid::v1 as pb;
use steeple_types::EntryId;
use tonic::{Code, Status};
use tracing::debug;

use super::{check_jwt, jwt_to_pb};
use crate::api::call::{Call, issued_for};
use crate::api::status::Failure;
use crate::core::Core;
use crate::ops::svid::issue_jwt;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::NewJwtsvidRequest,
) -> Result<pb::NewJwtsvidResponse, Status> {
    call.asks("entry_id", request.entry_id.as_str());
    call.asks("audience", request.audience.join(","));
    check_jwt(core)?;
    let agent = call.caller_id()?;
    let entry_id = EntryId::parse(&request.entry_id).ok();
    let entry = core.entries.read(|index| entry_id.and_then(|id| index.authorized_entry(agent, &id))).await;
    let entry = entry.map_err(|error| Failure::of(Code::Internal, "failed to fetch registration entries", error))?;
    let entry = entry.ok_or_else(|| Failure::new(Code::NotFound, "entry not found or not authorized"))?;
    let ttl = match entry.jwt_svid_ttl {
        0 => core.settings.default_jwt_svid_ttl,
        seconds => Duration::from_secs(seconds.into()),
    };
    call.asks("ttl", entry.jwt_svid_ttl);
    call.asks("spiffe_id", entry.spiffe_id.as_str());
    let audience = format!("[{}]", request.audience.join(" "));
    let in_json = serde_json::json!({ "audience": request.audience }).to_string();
    let mint = JwtRequest {
        id: entry.spiffe_id.clone(),
        audience: request.audience,
        ttl,
        include_jti: entry.jwt_svid_include_jti,
    };
    let svid = issue_jwt::issue(core, call.own_actor()?, mint, Some(issued_for(&entry))).await?;
    debug!(audience, expiration = %svid.expires_at, in_json, spiffe_id = %svid.id, "Server CA successfully signed JWT SVID");
    Ok(pb::NewJwtsvidResponse { svid: Some(jwt_to_pb(svid)) })
}
