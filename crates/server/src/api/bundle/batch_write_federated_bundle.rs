//! `BatchCreateFederatedBundle`, `BatchUpdateFederatedBundle` and `BatchSetFederatedBundle`, which differ in their write.

use std::sync::Arc;

use steeple_audit::{Actor, EventKind, Intent};
use steeple_policy::access::Object;
use steeple_proto::spire::api::server::bundle::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_store::ErrorClass;
use steeple_store::units::{BundleMask, CreateBundle, SetBundle, UpdateBundle};
use steeple_types::{Bundle, TrustDomain};
use tonic::Code;

use crate::api::access_log::fields;
use crate::api::call::Call;
use crate::api::convert::{bundle_from_pb, bundle_to_pb};
use crate::api::status::{Failure, ok};
use crate::core::Core;

pub(super) async fn create(
    core: &Arc<Core>,
    call: &Call,
    request: &pb::BatchCreateFederatedBundleRequest,
) -> pb::BatchCreateFederatedBundleResponse {
    let mut results = Vec::new();
    for asked in &request.bundle {
        let (status, bundle) = item(create_one(core, call, asked).await, request.output_mask.as_ref());
        call.item(status.as_ref(), || fields::bundle(asked, BundleMask::ALL));
        results.push(pb::batch_create_federated_bundle_response::Result { status, bundle });
    }
    pb::BatchCreateFederatedBundleResponse { results }
}

pub(super) async fn update(
    core: &Arc<Core>,
    call: &Call,
    request: &pb::BatchUpdateFederatedBundleRequest,
) -> pb::BatchUpdateFederatedBundleResponse {
    let mask = request.input_mask.as_ref().map_or(BundleMask::ALL, |mask| BundleMask {
        x509_authorities: mask.x509_authorities,
        jwt_authorities: mask.jwt_authorities,
        refresh_hint: mask.refresh_hint,
        sequence_number: mask.sequence_number,
    });
    let mut results = Vec::new();
    for asked in &request.bundle {
        let (status, bundle) = item(update_one(core, call, asked, mask).await, request.output_mask.as_ref());
        call.item(status.as_ref(), || fields::bundle(asked, mask));
        results.push(pb::batch_update_federated_bundle_response::Result { status, bundle });
    }
    pb::BatchUpdateFederatedBundleResponse { results }
}

pub(super) async fn set(
    core: &Arc<Core>,
    call: &Call,
    request: &pb::BatchSetFederatedBundleRequest,
) -> pb::BatchSetFederatedBundleResponse {
    let mut results = Vec::new();
    for asked in &request.bundle {
        let (status, bundle) = item(set_one(core, call, asked).await, request.output_mask.as_ref());
        call.item(status.as_ref(), || fields::bundle(asked, BundleMask::ALL));
        results.push(pb::batch_set_federated_bundle_response::Result { status, bundle });
    }
    pb::BatchSetFederatedBundleResponse { results }
}

async fn create_one(core: &Arc<Core>, call: &Call, bundle: &types::Bundle) -> Result<Bundle, Failure> {
    let bundle = read(core, bundle, "creating")?;
    let actor = call.may(&[Object::Foreign(&bundle.trust_domain)])?;
    let event = EventKind::BundleCreated { trust_domain: bundle.trust_domain.clone() };
    let intent = record(core, actor, event).await?;
    let written =
        intent.outcome(core.store.write(CreateBundle { bundle }).await).await.map_err(|error| match error.class {
            ErrorClass::Conflict => Failure::new(Code::AlreadyExists, "bundle already exists"),
            _ => Failure::of(Code::Internal, "unable to create bundle", error),
        })?;
    Ok(written.value)
}

async fn update_one(
    core: &Arc<Core>,
    call: &Call,
    bundle: &types::Bundle,
    mask: BundleMask,
) -> Result<Bundle, Failure> {
    let bundle = read(core, bundle, "updating")?;
    let actor = call.may(&[Object::Foreign(&bundle.trust_domain)])?;
    let event = EventKind::BundleUpdated { trust_domain: bundle.trust_domain.clone() };
    let intent = record(core, actor, event).await?;
    let written = intent.outcome(core.store.write(UpdateBundle { bundle, mask }).await).await.map_err(|error| {
        match error.class {
            ErrorClass::NotFound => Failure::new(Code::NotFound, "bundle not found"),
            _ => Failure::of(Code::Internal, "failed to update bundle", error),
        }
    })?;
    Ok(written.value)
}

async fn set_one(core: &Arc<Core>, call: &Call, bundle: &types::Bundle) -> Result<Bundle, Failure> {
    let bundle = read(core, bundle, "setting")?;
    let actor = call.may(&[Object::Foreign(&bundle.trust_domain)])?;
    let event = EventKind::BundleSet { trust_domain: bundle.trust_domain.clone() };
    let intent = record(core, actor, event).await?;
    let written = intent.outcome(core.store.write(SetBundle { bundle }).await).await;
    Ok(written.map_err(|error| Failure::of(Code::Internal, "failed to set bundle", error))?.value)
}

/// A bundle of another trust domain; `doing` says what was to be done with it.
fn read(core: &Core, bundle: &types::Bundle, doing: &str) -> Result<Bundle, Failure> {
    let trust_domain = TrustDomain::parse(&bundle.trust_domain)
        .map_err(|error| Failure::malformed("trust domain argument is not valid", error))?;
    if trust_domain == *core.trust_domain() {
        let message = format!("{doing} a federated bundle for the server's own trust domain is not allowed");
        return Err(Failure::new(Code::InvalidArgument, message));
    }
    bundle_from_pb(bundle).map_err(|error| Failure::malformed("failed to convert bundle", error))
}

async fn record(core: &Arc<Core>, actor: Actor, event: EventKind) -> Result<Intent, Failure> {
    let recorded = core.audit.record(core.clock.now(), actor, event).await;
    recorded.map_err(|error| Failure::of(Code::Internal, "failed to record the change", error))
}

fn item(
    outcome: Result<Bundle, Failure>,
    mask: Option<&types::BundleMask>,
) -> (Option<types::Status>, Option<types::Bundle>) {
    match outcome {
        Ok(bundle) => (Some(ok()), Some(bundle_to_pb(&bundle, mask))),
        Err(failure) => (Some(failure.item()), None),
    }
}
