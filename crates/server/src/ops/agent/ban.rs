//! Banning of an agent.

use std::sync::Arc;

use steeple_audit::{Actor, EventKind};
use steeple_store::ErrorClass;
use steeple_store::units::BanNode;
use steeple_types::SpiffeId;
use tonic::Code;
use tracing::info;

use crate::api::status::Failure;
use crate::core::Core;

pub(crate) async fn ban(core: &Arc<Core>, actor: Actor, id: SpiffeId) -> Result<(), Failure> {
    let event = EventKind::AgentBanned { id: id.clone() };
    let intent = core.audit.record(core.clock.now(), actor, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, "failed to ban agent", error))?;
    match intent.outcome(core.store.write(BanNode { id: id.clone() }).await).await {
        Ok(_) => {
            info!(spiffe_id = %id, "Agent banned");
            Ok(())
        }
        Err(error) if error.class == ErrorClass::NotFound => Err(Failure::new(Code::NotFound, "agent not found")),
        Err(error) => Err(Failure::of(Code::Internal, "failed to ban agent", error)),
    }
}
