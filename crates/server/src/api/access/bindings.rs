//! `ListBindings`, `CreateBinding` and `DeleteBinding`.

use std::sync::Arc;

use prost::Message;
use steeple_audit::EventKind;
use steeple_policy::access::{Binding, Object, Policy, Refusal, Subject, Why};
use steeple_proto::steeple::server::access::v1 as pb;
use steeple_store::ErrorClass;
use steeple_store::units::{CreateDocument, ReplaceDocument};
use tonic::{Code, Status};

use super::approvals::second_person_sees;
use super::convert::{binding_to_pb, draft};
use super::settings;
use crate::access::{KIND, document, policy, stored};
use crate::api::call::{Bound, Call, Right, refusal};
use crate::api::status::Failure;
use crate::core::Core;

pub(super) async fn list(core: &Arc<Core>, call: &Call) -> Result<pb::ListBindingsResponse, Status> {
    call.may(&[Object::Whole])?;
    let settings = settings(core)?;
    let configured = settings.bindings.iter().map(|binding| {
        let configured = true;
        pb::Binding { configured, ..binding_to_pb(binding) }
    });
    let created = stored(core).await?.into_iter().map(|(binding, _)| binding);
    Ok(pb::ListBindingsResponse { bindings: configured.chain(created).collect() })
}

pub(super) async fn create(
    core: &Arc<Core>,
    call: &Call,
    request: pb::CreateBindingRequest,
) -> Result<pb::Binding, Status> {
    let settings = settings(core)?;
    let asked = request.binding.clone().unwrap_or_default();
    let new = draft(&asked).read().map_err(|error| Failure::malformed("malformed binding", error))?;
    let existing = policy(core, settings).await?;
    if existing.bindings().iter().any(|binding| binding.name == new.name) {
        return Err(Failure::new(Code::AlreadyExists, format!("a binding {:?} is there already", new.name)).into());
    }
    settings.check_issuers(&new).map_err(|error| Failure::new(Code::InvalidArgument, error))?;
    let by = grantor(call, &new)?;
    let mut all = existing.bindings().to_vec();
    all.push(Arc::new(new.clone()));
    Policy::new(all).check().map_err(|error| Failure::new(Code::FailedPrecondition, error))?;
    let about = format!("role {} to {} by the binding {:?}", new.role, subjects(&new), new.name);
    second_person_sees(core, call, &about, &request.encode_to_vec(), Some(binding_to_pb(&new))).await?;
    let created = pb::Binding {
        granted_by: by.name.clone(),
        created_by: bound(call)?.facts.principal(),
        created_at: core.clock.now().to_string(),
        ..binding_to_pb(&new)
    };
    let actor = call.may(&[Object::Whole])?.authorized_by(&by.name);
    let event = EventKind::BindingCreated {
        name: new.name.clone(),
        role: new.role.name(),
        subjects: subjects(&new),
        reason: new.reason.clone(),
    };
    let what = "failed to create binding";
    let intent = core.audit.record(core.clock.now(), actor, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, what, error))?;
    let unit = CreateDocument { document: document(KIND, &created.name, &created) };
    let written = intent.outcome(core.store.write(unit).await).await;
    written.map_err(|error| Failure::store(what, &error))?;
    Ok(created)
}

pub(super) async fn delete(
    core: &Arc<Core>,
    call: &Call,
    request: pb::DeleteBindingRequest,
) -> Result<pb::DeleteBindingResponse, Status> {
    let settings = settings(core)?;
    if settings.bindings.iter().any(|binding| binding.name == request.name) {
        let message = format!("binding {:?} stands in the configuration, where it is to be removed", request.name);
        return Err(Failure::new(Code::FailedPrecondition, message).into());
    }
    let found = stored(core).await?.into_iter().find(|(binding, _)| binding.name == request.name);
    let (old, kept) = found.ok_or_else(|| Failure::new(Code::NotFound, "binding not found"))?;
    let may = bound(call)?.granted.bindings().iter().any(|own| {
        let covered = draft(&old).read().is_ok_and(|old| own.may_withdraw(&old));
        own.name == old.granted_by || covered
    });
    if !may {
        let why = format!("binding {:?} is wider than what the caller may grant", old.name);
        return Err(Failure::new(Code::PermissionDenied, format!("{}: {why}", refusal(call.row, None))).into());
    }
    let about = format!("the binding {:?} of role {}", old.name, old.role);
    second_person_sees(core, call, &about, &request.encode_to_vec(), Some(old.clone())).await?;
    let what = "failed to delete binding";
    let actor = call.may(&[Object::Whole])?;
    let event = EventKind::BindingDeleted { name: old.name.clone() };
    let intent = core.audit.record(core.clock.now(), actor, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, what, error))?;
    let written = intent.outcome(core.store.write(ReplaceDocument { was: kept, becomes: None }).await).await;
    match written {
        Ok(_) => Ok(pb::DeleteBindingResponse {}),
        Err(error) if error.class == ErrorClass::NotFound => {
            Err(Failure::new(Code::NotFound, "binding not found").into())
        }
        Err(error) => Err(Failure::store(what, &error).into()),
    }
}

/// The caller's binding by which he may grant the new one.
fn grantor<'a>(call: &'a Call, new: &Binding) -> Result<&'a Arc<Binding>, Failure> {
    let bound = bound(call)?;
    let mut refused: Option<Refusal> = None;
    for own in bound.granted.bindings() {
        match own.may_grant(new, &bound.facts.who()) {
            Ok(()) => return Ok(own),
            Err(error) => {
                refused = refused.or(Some(Refusal { binding: Some(own.name.clone()), why: Why::Grant(error) }));
            }
        }
    }
    Err(Failure::new(Code::PermissionDenied, refusal(call.row, refused.as_ref())))
}

fn bound(call: &Call) -> Result<&Bound, Failure> {
    match &call.right {
        Right::Bound(bound) => Ok(bound),
        _ => Err(Failure::new(Code::FailedPrecondition, "only holders of bindings grant others")),
    }
}

fn subjects(binding: &Binding) -> String {
    let subjects: Vec<String> = binding.subjects.iter().map(Subject::to_string).collect();
    subjects.join(", ")
}
