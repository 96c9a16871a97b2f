//! `FetchJWTSVID`: a token for each identity of the caller, or for the one that it names.

use std::sync::Arc;

use steeple_client::with_causes;
use steeple_explain::RefusalReason;
use steeple_proto::workload as pb;
use steeple_types::SpiffeId;
use tonic::Status;
use tracing::debug;

use super::{Call, SERVICE, no_identity, seconds_left, without_repeated_hints};
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: &pb::JwtsvidRequest,
) -> Result<pb::JwtsvidResponse, Status> {
    let wanted = match request.spiffe_id.as_str() {
        "" => None,
        id => Some(
            SpiffeId::parse(id)
                .map_err(|error| Status::invalid_argument(format!("invalid requested SPIFFE ID: {error}")))?,
        ),
    };
    let mut mine = core.cache.snapshot().matching(&call.known.selectors);
    let has_another = !mine.is_empty();
    mine.retain(|identity| wanted.as_ref().is_none_or(|id| *id == identity.entry.spiffe_id));
    if mine.is_empty() {
        let reason = match wanted.filter(|_| has_another) {
            Some(id) => RefusalReason::NotThisId(id.to_string()),
            None => RefusalReason::NoIdentity,
        };
        return Err(call.refused(reason, no_identity()));
    }
    let mut svids = Vec::with_capacity(mine.len());
    for identity in without_repeated_hints(&mine) {
        let entry = &identity.entry;
        let token = core.tokens.fetch(&core.server, entry, &request.audience, &core.clock).await;
        let token = token.map_err(|status| {
            let said = with_causes(&status);
            let status = Status::unavailable(format!("could not fetch JWT-SVID: {said}"));
            call.refused(RefusalReason::NoToken(said), status)
        })?;
        let (Call { method, pid, pod_uid, .. }, spiffe_id) = (call, &entry.spiffe_id);
        let (registered, service, ttl) = (true, SERVICE, seconds_left(token.expires_at, core.clock.now()));
        debug!(method, pid, pod_uid, registered, service, %spiffe_id, subsystem_name = "endpoints", ttl, "Fetched JWT SVID");
        svids.push(pb::Jwtsvid {
            spiffe_id: entry.spiffe_id.to_string(),
            svid: token.compact,
            hint: entry.hint.clone(),
        });
    }
    Ok(pb::JwtsvidResponse { svids })
}
