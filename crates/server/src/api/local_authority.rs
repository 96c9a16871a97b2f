//! The LocalAuthority service: the server's own authorities, shown and rotated by request.

mod activate;
mod prepare;
mod revoke;
mod show;
mod taint;
mod upstream;

use std::sync::Arc;

use steeple_ca::AuthorityKind::{Jwt, X509};
use steeple_ca::{AuthorityKind, AuthorityState, RequestError};
use steeple_policy::access::Object;
use steeple_proto::spire::api::server::localauthority::v1 as pb;
use tonic::{Code, Request, Response, Status};
use tracing::{Instrument, Span, error_span};

use super::call::Call;
use super::status::Failure;
use crate::authorities::Request as Asked;
use crate::core::Core;

pub(super) struct Service(pub(super) Arc<Core>);

#[tonic::async_trait]
impl pb::local_authority_server::LocalAuthority for Service {
    async fn get_x509_authority_state(
        &self,
        _request: Request<pb::GetX509AuthorityStateRequest>,
    ) -> Result<Response<pb::GetX509AuthorityStateResponse>, Status> {
        let show::States { active, prepared, old } = show::handle(&self.0, X509)?;
        Ok(Response::new(pb::GetX509AuthorityStateResponse { active, prepared, old }))
    }

    async fn prepare_x509_authority(
        &self,
        request: Request<pb::PrepareX509AuthorityRequest>,
    ) -> Result<Response<pb::PrepareX509AuthorityResponse>, Status> {
        let prepared_authority = prepare::handle(&self.0, &Call::of(&request)?, X509).await?;
        Ok(Response::new(pb::PrepareX509AuthorityResponse { prepared_authority }))
    }

    async fn activate_x509_authority(
        &self,
        request: Request<pb::ActivateX509AuthorityRequest>,
    ) -> Result<Response<pb::ActivateX509AuthorityResponse>, Status> {
        let call = Call::of(&request)?;
        let activated_authority = activate::handle(&self.0, &call, X509, &request.get_ref().authority_id).await?;
        Ok(Response::new(pb::ActivateX509AuthorityResponse { activated_authority }))
    }

    async fn taint_x509_authority(
        &self,
        request: Request<pb::TaintX509AuthorityRequest>,
    ) -> Result<Response<pb::TaintX509AuthorityResponse>, Status> {
        let call = Call::of(&request)?;
        let tainted_authority = taint::handle(&self.0, &call, X509, &request.get_ref().authority_id).await?;
        Ok(Response::new(pb::TaintX509AuthorityResponse { tainted_authority }))
    }

    async fn revoke_x509_authority(
        &self,
        request: Request<pb::RevokeX509AuthorityRequest>,
    ) -> Result<Response<pb::RevokeX509AuthorityResponse>, Status> {
        let call = Call::of(&request)?;
        let revoked_authority = revoke::handle(&self.0, &call, X509, &request.get_ref().authority_id).await?;
        Ok(Response::new(pb::RevokeX509AuthorityResponse { revoked_authority }))
    }

    async fn taint_x509_upstream_authority(
        &self,
        request: Request<pb::TaintX509UpstreamAuthorityRequest>,
    ) -> Result<Response<pb::TaintX509UpstreamAuthorityResponse>, Status> {
        let call = Call::of(&request)?;
        let id = upstream::taint(&self.0, &call, &request.get_ref().subject_key_id).await?;
        Ok(Response::new(pb::TaintX509UpstreamAuthorityResponse { upstream_authority_subject_key_id: id }))
    }

    async fn revoke_x509_upstream_authority(
        &self,
        request: Request<pb::RevokeX509UpstreamAuthorityRequest>,
    ) -> Result<Response<pb::RevokeX509UpstreamAuthorityResponse>, Status> {
        let call = Call::of(&request)?;
        let id = upstream::revoke(&self.0, &call, &request.get_ref().subject_key_id).await?;
        Ok(Response::new(pb::RevokeX509UpstreamAuthorityResponse { upstream_authority_subject_key_id: id }))
    }

    async fn get_jwt_authority_state(
        &self,
        _request: Request<pb::GetJwtAuthorityStateRequest>,
    ) -> Result<Response<pb::GetJwtAuthorityStateResponse>, Status> {
        let show::States { active, prepared, old } = show::handle(&self.0, Jwt)?;
        Ok(Response::new(pb::GetJwtAuthorityStateResponse { active, prepared, old }))
    }

    async fn prepare_jwt_authority(
        &self,
        request: Request<pb::PrepareJwtAuthorityRequest>,
    ) -> Result<Response<pb::PrepareJwtAuthorityResponse>, Status> {
        let prepared_authority = prepare::handle(&self.0, &Call::of(&request)?, Jwt).await?;
        Ok(Response::new(pb::PrepareJwtAuthorityResponse { prepared_authority }))
    }

    async fn activate_jwt_authority(
        &self,
        request: Request<pb::ActivateJwtAuthorityRequest>,
    ) -> Result<Response<pb::ActivateJwtAuthorityResponse>, Status> {
        let call = Call::of(&request)?;
        let activated_authority = activate::handle(&self.0, &call, Jwt, &request.get_ref().authority_id).await?;
        Ok(Response::new(pb::ActivateJwtAuthorityResponse { activated_authority }))
    }

    async fn taint_jwt_authority(
        &self,
        request: Request<pb::TaintJwtAuthorityRequest>,
    ) -> Result<Response<pb::TaintJwtAuthorityResponse>, Status> {
        let call = Call::of(&request)?;
        let tainted_authority = taint::handle(&self.0, &call, Jwt, &request.get_ref().authority_id).await?;
        Ok(Response::new(pb::TaintJwtAuthorityResponse { tainted_authority }))
    }

    async fn revoke_jwt_authority(
        &self,
        request: Request<pb::RevokeJwtAuthorityRequest>,
    ) -> Result<Response<pb::RevokeJwtAuthorityResponse>, Status> {
        let call = Call::of(&request)?;
        let revoked_authority = revoke::handle(&self.0, &call, Jwt, &request.get_ref().authority_id).await?;
        Ok(Response::new(pb::RevokeJwtAuthorityResponse { revoked_authority }))
    }

    async fn get_wit_authority_state(
        &self,
        _request: Request<pb::GetWitAuthorityStateRequest>,
    ) -> Result<Response<pb::GetWitAuthorityStateResponse>, Status> {
        Err(no_wit())
    }

    async fn prepare_wit_authority(
        &self,
        _request: Request<pb::PrepareWitAuthorityRequest>,
    ) -> Result<Response<pb::PrepareWitAuthorityResponse>, Status> {
        Err(no_wit())
    }

    async fn activate_wit_authority(
        &self,
        _request: Request<pb::ActivateWitAuthorityRequest>,
    ) -> Result<Response<pb::ActivateWitAuthorityResponse>, Status> {
        Err(no_wit())
    }

    async fn taint_wit_authority(
        &self,
        _request: Request<pb::TaintWitAuthorityRequest>,
    ) -> Result<Response<pb::TaintWitAuthorityResponse>, Status> {
        Err(no_wit())
    }

    async fn revoke_wit_authority(
        &self,
        _request: Request<pb::RevokeWitAuthorityRequest>,
    ) -> Result<Response<pb::RevokeWitAuthorityResponse>, Status> {
        Err(no_wit())
    }
}

/// SPIRE has no such authorities either.
fn no_wit() -> Status {
    Failure::new(Code::Unimplemented, "WIT-SVID functionality is not yet implemented").into()
}

/// Refuses what is about a kind of authority that is not in use.
fn check_enabled(core: &Core, kind: AuthorityKind) -> Result<(), Failure> {
    if kind == Jwt { super::svid::check_jwt(core) } else { Ok(()) }
}

/// Asks the keeper of the authorities; log lines of a refusal have the fields of `about`.
async fn ask(core: &Core, call: &Call, request: Asked, about: Span) -> Result<Option<AuthorityState>, Status> {
    let ask = async {
        let outcome = core.authorities.ask(request, call.may(&[Object::Whole])?).await;
        let outcome = outcome.ok_or_else(|| Failure::new(Code::Unavailable, "server is shutting down"))?;
        Ok(outcome.map_err(failure)?)
    };
    ask.instrument(about).await
}

fn failure(error: RequestError) -> Failure {
    match error {
        RequestError::Malformed { what, cause: Some(cause) } => Failure::malformed(what, cause),
        RequestError::Malformed { what, cause: None } => Failure::new(Code::InvalidArgument, what),
        RequestError::Unfit(what) => Failure::new(Code::FailedPrecondition, what),
        RequestError::Initializing => Failure::new(Code::Unavailable, error.to_string()),
        RequestError::Failed { what, cause } => Failure::of(Code::Internal, &what, cause),
    }
}

/// Tells SPIRE's audit log which authority a call is about; yields what other log lines tell of it.
fn about(call: &Call, authority_id: &str) -> Span {
    if authority_id.is_empty() {
        return Span::none();
    }
    call.asks("local_authority_id", authority_id);
    error_span!("authority", local_authority_id = authority_id)
}

fn to_pb(state: AuthorityState) -> pb::AuthorityState {
    pb::AuthorityState {
        authority_id: state.id,
        expires_at: state.expires_at.as_second(),
        upstream_authority_subject_key_id: state.upstream_authority_id,
    }
}

/// An authority of which no more than its ID is told.
fn only_id(authority_id: &str) -> pb::AuthorityState {
    pb::AuthorityState { authority_id: authority_id.to_owned(), ..pb::AuthorityState::default() }
}
