//! Renewal of an agent's SVID. The new one counts from its first use.

use std::sync::Arc;

use steeple_audit::{Actor, EventKind};
use steeple_ca::X509Svid;
use steeple_crypto::x509::Csr;
use steeple_store::units::RecordRenewal;
use steeple_types::SpiffeId;
use tonic::Code;

use super::prepare_svid;
use crate::api::status::Failure;
use crate::core::Core;
use crate::metrics::X509_SVID_SIGNED;

pub(crate) async fn renew(core: &Arc<Core>, actor: Actor, id: &SpiffeId, csr: &Csr) -> Result<X509Svid, Failure> {
    let now = core.clock.now();
    let prepared = prepare_svid(core, id, csr, now)?;
    let serial_number = prepared.serial_number().to_owned();
    let expires_at = prepared.expires_at();
    let event = EventKind::AgentRenewed { id: id.clone(), serial_number: serial_number.clone(), expires_at };
    let intent = core.audit.record(now, actor, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, "failed to record the renewal", error))?;
    let unit = RecordRenewal { id: id.clone(), serial_number, expires_at };
    let written = intent.outcome(core.store.write(unit).await).await;
    written.map_err(|error| Failure::store("failed to update agent", &error))?;
    let svid = intent.outcome(prepared.sign().await).await;
    let svid = svid.map_err(|error| Failure::of(Code::Internal, "failed to sign X509 SVID", error))?;
    core.metrics.count(X509_SVID_SIGNED, &[]);
    Ok(svid)
}
