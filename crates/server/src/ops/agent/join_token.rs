//! Making of join tokens, with the entry that gives the agent a SPIFFE ID of its own.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use steeple_audit::{Actor, EventKind};
use steeple_policy::access::Object;
use steeple_store::JoinToken;
use steeple_store::units::CreateJoinToken;
use steeple_types::{Entry, EntryId, Selector, SelectorSet, SpiffeId};
use tonic::Code;
use uuid::Uuid;

use crate::api::call::Call;
use crate::api::status::Failure;
use crate::core::Core;

/// Makes a token; an empty `token` is drawn at random.
pub(crate) async fn create(
    core: &Arc<Core>,
    call: &Call,
    token: String,
    ttl: Duration,
    agent_id: Option<SpiffeId>,
) -> Result<JoinToken, Failure> {
    let token = if token.is_empty() { Uuid::new_v4().to_string() } else { token };
    let now = core.clock.now();
    let expires_at = Timestamp::from_second((now + ttl).as_second()).unwrap_or(now);
    let entry = match &agent_id {
        Some(id) => Some(vanity_entry(core, &token, id, now)?),
        None => None,
    };
    let entry_id = entry.as_ref().map(|entry| entry.id.clone());
    let actor = may(core, call, &token, entry.as_ref())?;
    let event = EventKind::JoinTokenCreated { agent_id, entry_id, expires_at };
    let intent = core.audit.record(now, actor, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, "failed to create token", error))?;
    let token = JoinToken { token, expires_at };
    let unit = CreateJoinToken { token: token.clone(), entry };
    let written = intent.outcome(core.store.write(unit).await).await;
    written.map_err(|error| Failure::of(Code::Internal, "failed to create token", error))?;
    Ok(token)
}

/// Decides about the agent that the token will let in, and about the entry that comes with it.
fn may(core: &Core, call: &Call, token: &str, entry: Option<&Entry>) -> Result<Actor, Failure> {
    if call.sees_everything() {
        return call.may(&[]);
    }
    let id = SpiffeId::from_path(core.trust_domain(), &format!("/spire/agent/join_token/{token}"));
    let id = id.map_err(|error| Failure::malformed("failed to create join token ID", error))?;
    let agent = Object::Agent(&id, None);
    match entry {
        Some(entry) => call.may(&[agent, Object::Entry(entry, core.settings.lifetimes())]),
        None => call.may(&[agent]),
    }
}

fn vanity_entry(core: &Core, token: &str, id: &SpiffeId, now: Timestamp) -> Result<Entry, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::of(Code::Internal, "failed to create join token registration entry", error)
    };
    let path = format!("/spire/agent/join_token/{token}");
    let parent_id = SpiffeId::from_path(core.trust_domain(), &path)
        .map_err(|error| failed(&format_args!("failed to create join token ID: {error}")))?;
    let selector = Selector::new("spiffe_id", parent_id.as_str()).map_err(|error| failed(&error))?;
    let entry_id = EntryId::parse(&Uuid::new_v4().to_string()).map_err(|error| failed(&error))?;
    Ok(Entry::new(entry_id, id.clone(), parent_id, SelectorSet::from_iter([selector]), now))
}
