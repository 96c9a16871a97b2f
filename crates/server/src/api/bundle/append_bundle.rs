//! `AppendBundle`.

use std::sync::Arc;

use prost::Message;
use steeple_audit::EventKind;
use steeple_policy::access::Object;
use steeple_proto::spire::api::server::bundle::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_store::units::AppendBundle;
use tonic::{Code, Status};

use crate::api::access::second_person;
use crate::api::access_log::fields;
use crate::api::call::Call;
use crate::api::convert::{bundle_to_pb, jwt_authorities, x509_authorities};
use crate::api::status::Failure;
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: &pb::AppendBundleRequest,
) -> Result<types::Bundle, Status> {
    for (name, value) in fields::authorities(&request.x509_authorities, &request.jwt_authorities) {
        call.asks(&name, value);
    }
    if request.x509_authorities.is_empty() && request.jwt_authorities.is_empty() {
        return Err(Failure::new(Code::InvalidArgument, "no authorities to append").into());
    }
    let jwt_authorities = jwt_authorities(&request.jwt_authorities)
        .map_err(|error| Failure::malformed("failed to convert JWT authority", error))?;
    let x509_authorities = x509_authorities(&request.x509_authorities)
        .map_err(|error| Failure::malformed("failed to convert X.509 authority", error))?;
    second_person(core, call, "roots and keys of the bundle", &request.encode_to_vec()).await?;
    let trust_domain = core.trust_domain().clone();
    let event = EventKind::BundleAppended { trust_domain: trust_domain.clone() };
    let intent = core.audit.record(core.clock.now(), call.may(&[Object::Whole])?, event).await;
    let intent = intent.map_err(|error| Failure::of(Code::Internal, "failed to append bundle", error))?;
    let unit = AppendBundle { trust_domain, x509_authorities, jwt_authorities };
    let written = intent.outcome(core.store.write(unit).await).await;
    let written = written.map_err(|error| Failure::of(Code::Internal, "failed to append bundle", error))?;
    Ok(bundle_to_pb(&written.value, request.output_mask.as_ref()))
}
