//! Approval by a second person: what is asked waits, somebody else who could do it too approves, and the first repeats the call.

use std::sync::Arc;

use jiff::Timestamp;
use steeple_audit::EventKind;
use steeple_crypto::digest::sha256;
use steeple_policy::access::{Action, Asked, Object, Policy, Resource, Role, Who};
use steeple_proto::steeple::server::access::v1 as pb;
use steeple_store::Document;
use steeple_store::units::{CreateDocument, ReplaceDocument};
use tonic::{Code, Status};
use tracing::warn;
use uuid::Uuid;

use super::convert::draft;
use super::settings;
use crate::access::{document, policy, read_documents};
use crate::api::call::{Call, Right, refusal};
use crate::api::status::Failure;
use crate::api::table::TABLE;
use crate::core::Core;

const KIND: &str = "approval";
/// So many may wait at once; more would be somebody who fills the datastore.
const MOST: usize = 1_000;
const WHAT: &str = "failed to ask for approval";

/// Goes on only if a second person approved this very request of this caller, which is then used up. Otherwise it waits from now on.
pub(crate) async fn second_person(core: &Arc<Core>, call: &Call, about: &str, request: &[u8]) -> Result<(), Failure> {
    second_person_sees(core, call, about, request, None).await
}

/// The same; the second person is shown the whole binding that it is about.
pub(super) async fn second_person_sees(
    core: &Arc<Core>,
    call: &Call,
    about: &str,
    request: &[u8],
    binding: Option<pb::Binding>,
) -> Result<(), Failure> {
    let (Some(access), Right::Bound(bound)) = (&core.settings.access, &call.right) else { return Ok(()) };
    if !access.two_person.contains(&call.row.asked.action) {
        return Ok(());
    }
    // Who is alone in an emergency has the other way: with a reason, an end, and a record of each use.
    if bound.granted.bindings().iter().all(|binding| binding.role == Role::BreakGlass) {
        return Ok(());
    }
    let now = core.clock.now();
    let digest = hex::encode(sha256(&[call.row.method.as_bytes(), &[0], request].concat()));
    let requested_by = bound.facts.principal();
    let (mut known, mut waiting) = (None, 0);
    for (approval, kept) in read_documents::<pb::Approval>(core, KIND).await? {
        if is_over(&approval, now) {
            forget(core, kept).await;
            continue;
        }
        waiting += 1;
        if approval.digest == digest && approval.requested_by == requested_by {
            known = Some((approval, kept));
        }
    }
    let waits = |approval: &pb::Approval| {
        let text = format!(
            "this needs a second person: approval {} waits until {}; when another has approved it, repeat the call",
            approval.id, approval.expires_at
        );
        Failure::new(Code::FailedPrecondition, text)
    };
    match known {
        // Names are used again: it is good for what was shown.
        Some((approval, kept)) if approval.binding != binding => {
            forget(core, kept).await;
            Err(Failure::new(
                Code::FailedPrecondition,
                "what was to be approved has changed; repeat the call to ask again",
            ))
        }
        Some((approval, kept)) if !approval.approved_by.is_empty() => {
            // Whoever takes it away is the one who goes on: it is good for one call.
            let taken = core.store.write(ReplaceDocument { was: kept, becomes: None }).await;
            taken.map(|_| ()).map_err(|error| Failure::store("failed to use the approval", &error))
        }
        Some((approval, _)) => Err(waits(&approval)),
        None if waiting >= MOST => Err(Failure::new(Code::ResourceExhausted, "too many approvals wait already")),
        None => {
            let approval = pb::Approval {
                id: Uuid::new_v4().to_string(),
                method: call.row.method.to_owned(),
                about: about.to_owned(),
                requested_by,
                approved_by: String::new(),
                expires_at: (now + access.approval_ttl).to_string(),
                digest,
                binding,
            };
            let actor = call.may(&[Object::Whole])?;
            let event = EventKind::ApprovalRequested { id: approval.id.clone(), method: call.row.method };
            let intent = core.audit.record(now, actor, event).await;
            let intent = intent.map_err(|error| Failure::of(Code::Internal, WHAT, error))?;
            let unit = CreateDocument { document: document(KIND, &approval.id, &approval) };
            let written = intent.outcome(core.store.write(unit).await).await;
            written.map_err(|error| Failure::store(WHAT, &error))?;
            Err(waits(&approval))
        }
    }
}

pub(super) async fn list(core: &Arc<Core>) -> Result<pb::ListApprovalsResponse, Status> {
    settings(core)?;
    let now = core.clock.now();
    let all = read_documents::<pb::Approval>(core, KIND).await?;
    let approvals = all.into_iter().map(|(approval, _)| approval).filter(|approval| !is_over(approval, now)).collect();
    Ok(pb::ListApprovalsResponse { approvals })
}

pub(super) async fn approve(
    core: &Arc<Core>,
    call: &Call,
    request: pb::ApproveRequest,
) -> Result<pb::Approval, Status> {
    let settings = settings(core)?;
    let Right::Bound(bound) = &call.right else {
        return Err(Failure::new(Code::FailedPrecondition, "only holders of bindings approve").into());
    };
    let now = core.clock.now();
    let found = read_documents::<pb::Approval>(core, KIND).await?.into_iter();
    let mut found = found.filter(|(approval, _)| !is_over(approval, now));
    let found = found.find(|(approval, _)| approval.id == request.id);
    let (approval, kept) = found.ok_or_else(|| Failure::new(Code::NotFound, "no such approval waits"))?;
    let denied = |why: &str| Failure::new(Code::PermissionDenied, format!("{}: {why}", refusal(call.row, None)));
    let approved_by = bound.facts.principal();
    if approved_by == approval.requested_by {
        return Err(denied("nobody approves what he asked for himself").into());
    }
    if !approval.approved_by.is_empty() {
        return Err(Failure::new(Code::FailedPrecondition, "it is approved already").into());
    }
    // The second person must be one who could do it himself.
    let row = TABLE.iter().find(|row| row.method == approval.method);
    let row = row.ok_or_else(|| Failure::new(Code::FailedPrecondition, "it is about a method that is not there"))?;
    let policy = policy(core, settings).await?;
    let decided = policy.decide(&bound.facts.who(), row.asked, &[Object::Whole], now);
    let binding = decided.map_err(|why| denied(&why.to_string()))?;
    if let Some(about) = &approval.binding {
        witness(&policy, &bound.facts.who(), row.asked.action, about, now).map_err(|why| denied(&why))?;
    }
    let actor = call.may(&[Object::Whole])?.authorized_by(&binding.name);
    let event = EventKind::ApprovalGiven { id: approval.id.clone(), method: row.method };
    let what = "failed to approve";
    let intent = core.audit.record(now, actor, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, what, error))?;
    let approval = pb::Approval { approved_by, ..approval };
    let becomes = Some(document(KIND, &approval.id, &approval));
    let written = intent.outcome(core.store.write(ReplaceDocument { was: kept, becomes }).await).await;
    written.map_err(|error| Failure::store(what, &error))?;
    Ok(approval)
}

/// Whether the second person could grant or withdraw this binding himself.
fn witness(policy: &Policy, who: &Who<'_>, action: Action, about: &pb::Binding, now: Timestamp) -> Result<(), String> {
    let new = draft(about).read().map_err(|error| error.to_string())?;
    let asked = Asked { action, resource: Resource::Binding };
    let granted = policy.granted(who, asked, now).map_err(|why| why.to_string())?;
    let mut refused = String::new();
    for own in granted.bindings() {
        if action == Action::Delete && (own.name == about.granted_by || own.may_withdraw(&new)) {
            return Ok(());
        }
        match own.may_grant(&new, who) {
            Ok(()) => return Ok(()),
            Err(error) => refused = error.to_string(),
        }
    }
    Err(refused)
}

fn is_over(approval: &pb::Approval, now: Timestamp) -> bool {
    approval.expires_at.parse::<Timestamp>().map_or(true, |until| until <= now)
}

async fn forget(core: &Core, kept: Document) {
    if let Err(error) = core.store.write(ReplaceDocument { was: kept, becomes: None }).await {
        warn!(%error, "An approval that is over could not be removed");
    }
}
