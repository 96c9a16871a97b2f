//! `TaintX509UpstreamAuthority` and `RevokeX509UpstreamAuthority`.

use std::sync::Arc;

use tonic::Status;
use tracing::{Span, error_span, info};

use super::ask;
use crate::api::access::second_person;
use crate::api::call::Call;
use crate::authorities::Request;
use crate::core::Core;

/// Yields the subject key identifier in the form in which it is compared.
pub(super) async fn taint(core: &Arc<Core>, call: &Call, subject_key_id: &str) -> Result<String, Status> {
    let (id, about) = (subject_key_id.to_lowercase(), about(call, subject_key_id));
    second_person(core, call, &format!("the upstream authority {id}"), id.as_bytes()).await?;
    ask(core, call, Request::TaintUpstream(id.clone()), about).await?;
    info!(subject_key_id, "X.509 upstream authority tainted successfully");
    Ok(id)
}

/// Yields the subject key identifier in the form in which it is compared.
pub(super) async fn revoke(core: &Arc<Core>, call: &Call, subject_key_id: &str) -> Result<String, Status> {
    let (id, about) = (subject_key_id.to_lowercase(), about(call, subject_key_id));
    second_person(core, call, &format!("the upstream authority {id}"), id.as_bytes()).await?;
    ask(core, call, Request::RevokeUpstream(id.clone()), about).await?;
    info!(subject_key_id, "X.509 upstream authority successfully revoked");
    Ok(id)
}

fn about(call: &Call, subject_key_id: &str) -> Span {
    if subject_key_id.is_empty() {
        return Span::none();
    }
    call.asks("subject_key_id", subject_key_id);
    error_span!("authority", subject_key_id)
}
