//! `BatchDeleteFederatedBundle`.

use std::sync::Arc;

use steeple_audit::EventKind;
use steeple_proto::spire::api::server::bundle::v1 as pb;
use steeple_proto::spire::api::server::bundle::v1::batch_delete_federated_bundle_request::Mode;
use steeple_proto::spire::api::server::bundle::v1::batch_delete_federated_bundle_response::Result as Item;
use steeple_store::ErrorClass;
use steeple_store::units::{DeleteBundle, DeleteMode};
use steeple_types::TrustDomain;
use tonic::{Code, Status};

use crate::api::access_log::fields::fields;
use crate::api::call::Call;
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
        let status = delete(core, call, &name, mode).await.map_or_else(Failure::item, |()| ok());
        call.item(Some(&status), || {
            fields([("trust_domain_id", name.as_str().into()), ("mode", told.as_str_name().into())])
        });
        results.push(Item { status: Some(status), trust_domain: name });
    }
    Ok(pb::BatchDeleteFederatedBundleResponse { results })
}

async fn delete(core: &Arc<Core>, call: &Call, name: &str, mode: DeleteMode) -> Result<(), Failure> {
    let trust_domain =
        TrustDomain::parse(name).map_err(|error| Failure::malformed("trust domain argument is not valid", error))?;
    if trust_domain == *core.trust_domain() {
        let message = "removing the bundle for the server trust domain is not allowed";
        return Err(Failure::new(Code::InvalidArgument, message));
    }
    let event = EventKind::BundleDeleted { trust_domain: trust_domain.clone() };
    let intent = core.audit.record(core.clock.now(), call.actor(), event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, "failed to delete federated bundle", error))?;
    match intent.outcome(core.store.write(DeleteBundle { trust_domain, mode }).await).await {
        Ok(_) => Ok(()),
        Err(error) if error.class == ErrorClass::NotFound => Err(Failure::new(Code::NotFound, "bundle not found")),
        Err(error) => Err(Failure::of(store_code(error.class), "failed to delete federated bundle", error)),
    }
}
