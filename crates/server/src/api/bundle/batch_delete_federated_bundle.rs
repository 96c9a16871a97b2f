//! `BatchDeleteFederatedBundle`.

use std::sync::Arc;

use steeple_audit::EventKind;
use steeple_policy::access::{Action, Object, Resource};
use steeple_proto::spire::api::server::bundle::v1 as pb;
use steeple_proto::spire::api::server::bundle::v1::batch_delete_federated_bundle_request::Mode;
use steeple_proto::spire::api::server::bundle::v1::batch_delete_federated_bundle_response::Result as Item;
use steeple_store::ErrorClass;
use steeple_store::units::{DeleteBundle, DeleteMode};
use steeple_types::TrustDomain;
use tonic::{Code, Status};

use crate::api::access_log::fields::fields;
use crate::api::call::{Call, refusal};
use crate::api::status::{Failure, ok, store_code};
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::BatchDeleteFederatedBundleRequest,
) -> Result<pb::BatchDeleteFederatedBundleResponse, Status> {
    let mode = Mode::try_from(request.mode).map_err(|_| {
        Failure::malformed("failed to parse deletion mode", format!("unhandled delete mode \"{}\"", request.mode))
    })?;
    let told = mode;
    let mode = match mode {
        Mode::Restrict => DeleteMode::Restrict,
        Mode::Delete => DeleteMode::Delete,
        Mode::Dissociate => DeleteMode::Dissociate,
    };
    let mut results = Vec::with_capacity(request.trust_domains.len());
    for name in request.trust_domains {
        let status = delete(core, call, &name, (mode, told)).await.map_or_else(Failure::item, |()| ok());
        call.item(Some(&status), || {
            fields([("trust_domain_id", name.as_str().into()), ("mode", told.as_str_name().into())])
        });
        results.push(Item { status: Some(status), trust_domain: name });
    }
    Ok(pb::BatchDeleteFederatedBundleResponse { results })
}

/// What deletes entries or takes trust domains from them is no matter of bundles alone: by scoped rights it is for roles that may
/// delete entries.
async fn spare_entries(
    core: &Arc<Core>,
    call: &Call,
    trust_domain: &TrustDomain,
    mode: DeleteMode,
) -> Result<(), Failure> {
    if mode == DeleteMode::Restrict || call.may_also(Action::Delete, Resource::Entry) {
        return Ok(());
    }
    let federating = trust_domain.clone();
    let entries = core.store.read("registration_entry.list", move |tx| tx.entries_federating_with(&federating)).await;
    let entries = entries.map_err(|error| Failure::of(Code::Internal, "failed to delete federated bundle", error))?;
    match entries.len() {
        0 => Ok(()),
        count => {
            let why = format!("role: {count} entries federate with {trust_domain}, which the caller may not change");
            Err(Failure::new(Code::PermissionDenied, format!("{}: {why}", refusal(call.row, None))))
        }
    }
}

async fn delete(core: &Arc<Core>, call: &Call, name: &str, (mode, told): (DeleteMode, Mode)) -> Result<(), Failure> {
    let trust_domain =
        TrustDomain::parse(name).map_err(|error| Failure::malformed("trust domain argument is not valid", error))?;
    if trust_domain == *core.trust_domain() {
        let message = "removing the bundle for the server trust domain is not allowed";
        return Err(Failure::new(Code::InvalidArgument, message));
    }
    let actor = call.may(&[Object::Foreign(&trust_domain)])?;
    spare_entries(core, call, &trust_domain, mode).await?;
    let event = EventKind::BundleDeleted { trust_domain: trust_domain.clone(), mode: told.as_str_name() };
    let intent = core.audit.record(core.clock.now(), actor, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, "failed to delete federated bundle", error))?;
    match intent.outcome(core.store.write(DeleteBundle { trust_domain, mode }).await).await {
        Ok(_) => Ok(()),
        Err(error) if error.class == ErrorClass::NotFound => Err(Failure::new(Code::NotFound, "bundle not found")),
        Err(error) => Err(Failure::of(store_code(error.class), "failed to delete federated bundle", error)),
    }
}
