//! The first use of a renewed agent SVID makes it the current one; the one before is refused from then on.

use std::sync::Arc;

use steeple_audit::{Actor, EventKind};
use steeple_store::units::ActivateSerial;
use steeple_types::SpiffeId;
use tonic::Code;

use crate::api::status::Failure;
use crate::core::Core;

pub(crate) async fn activate(
    core: &Arc<Core>,
    actor: Actor,
    id: &SpiffeId,
    serial_number: &str,
) -> Result<(), Failure> {
    let event = EventKind::AgentSvidActivated { id: id.clone(), serial_number: serial_number.to_owned() };
    let intent = core.audit.record(core.clock.now(), actor, event).await;
    let intent =
        intent.map_err(|error| Failure::of(Code::Internal, "unable to update the agent's serial number", error))?;
    let unit = ActivateSerial { id: id.clone(), serial_number: serial_number.to_owned() };
    let written = intent.outcome(core.store.write(unit).await).await;
    written.map_err(|error| Failure::of(Code::Internal, "unable to activate the new agent SVID", error))?;
    Ok(())
}
