//! Attestation of an agent: claims are checked, its SVID is prepared, the node recorded, and only then the SVID signed.

use std::sync::Arc;

use steeple_audit::{Actor, AttestedSvid, EventKind};
use steeple_ca::X509Svid;
use steeple_crypto::x509::Csr;
use steeple_plugin::NodeClaims;
use steeple_store::units::{AttestationOutcome, RecordAttestation};
use steeple_types::{AttestedNode, Selector, SelectorSet, SpiffeId};
use tonic::Code;

use super::prepare_svid;
use crate::api::status::Failure;
use crate::core::Core;
use crate::metrics::X509_SVID_SIGNED;

/// The SPIFFE ID of the agent that `claims` tell of.
pub(crate) fn agent_id(core: &Core, claims: &NodeClaims) -> Result<SpiffeId, Failure> {
    SpiffeId::from_path(core.trust_domain(), &format!("/spire/agent{}", claims.agent_path))
        .map_err(|error| Failure::of(Code::Internal, "invalid agent ID", error))
}

/// Records what `claims` say of a node and issues its agent SVID for the key of `csr`.
pub(crate) async fn attest(
    core: &Arc<Core>,
    attestation_type: &str,
    id: SpiffeId,
    claims: NodeClaims,
    csr: &Csr,
    actor: Actor,
) -> Result<X509Svid, Failure> {
    let banned = core.entries.read(|index| index.node(&id).is_some_and(|node| node.is_banned())).await;
    if banned.map_err(|error| Failure::of(Code::Internal, "failed to fetch agent", error))? {
        return Err(refused(AttestationOutcome::Banned));
    }
    let now = core.clock.now();
    let prepared = prepare_svid(core, &id, csr, now)?;
    let selectors = selectors(core, attestation_type, &claims, &id);
    let svid = AttestedSvid {
        attestation_type: attestation_type.to_owned(),
        serial_number: prepared.serial_number().to_owned(),
        expires_at: prepared.expires_at(),
        selectors: selectors.clone(),
        can_reattest: claims.can_reattest,
    };
    let event = EventKind::AgentAttested { id: id.clone(), svid: Box::new(svid) };
    let intent = core.audit.record(now, actor, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, "failed to record the attestation", error))?;
    let monotonic = core.clock.monotonic();
    let has_token = claims.join_token.is_some();
    let unit = RecordAttestation {
        is_repeated: has_token && core.joins.has(&id, csr.public_key(), monotonic),
        node: AttestedNode {
            selectors,
            id: id.clone(),
            attestation_type: attestation_type.to_owned(),
            serial_number: prepared.serial_number().to_owned(),
            expires_at: Some(prepared.expires_at()),
            new_serial_number: String::new(),
            new_expires_at: None,
            can_reattest: claims.can_reattest,
            agent_version: String::new(),
        },
        join_token: claims.join_token,
    };
    let written = intent.outcome(core.store.write(unit).await).await;
    let written = written.map_err(|error| Failure::of(Code::Internal, "failed to create attested agent", error))?;
    if written.value != AttestationOutcome::Recorded {
        let refusal = refused(written.value);
        intent.failed(&refusal.message()).await;
        return Err(refusal);
    }
    if has_token {
        core.joins.note(id, csr.public_key(), monotonic);
    }
    let svid = intent.outcome(prepared.sign().await).await;
    let svid = svid.map_err(|error| Failure::of(Code::Internal, "failed to sign X509 SVID", error))?;
    core.metrics.count(X509_SVID_SIGNED, &[]);
    Ok(svid)
}

/// Why an attestation that proved well enough is refused all the same.
fn refused(outcome: AttestationOutcome) -> Failure {
    match outcome {
        AttestationOutcome::Banned => Failure::new(Code::PermissionDenied, "failed to attest: agent is banned"),
        AttestationOutcome::ExpiredToken => Failure::new(Code::InvalidArgument, "join token expired"),
        AttestationOutcome::UnknownToken | AttestationOutcome::Recorded => {
            Failure::new(Code::InvalidArgument, "failed to attest: join token does not exist or has already been used")
        }
    }
}

fn selectors(core: &Core, kind: &str, claims: &NodeClaims, id: &SpiffeId) -> SelectorSet {
    let own = core.settings.agent_spiffe_id_as_selector.then(|| Selector::new("spiffe_id", id.as_str()));
    let claimed = claims.selector_values.iter().map(|value| Selector::new(kind, value));
    claimed.chain(own).filter_map(Result::ok).collect()
}
