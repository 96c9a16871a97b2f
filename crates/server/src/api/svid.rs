//! The SVID service.

mod batch_new_x509_svid;
mod mint_jwt_svid;
mod mint_x509_svid;
mod new_downstream_x509_ca;
mod new_jwt_svid;

use std::sync::Arc;

use steeple_proto::spire::api::server::svid::v1 as pb;
use steeple_proto::spire::api::types;
use tonic::{Code, Request, Response, Status};

use super::call::Call;
use super::convert::id_to_pb;
use super::status::Failure;
use crate::core::Core;

pub(super) struct Service(pub(super) Arc<Core>);

#[tonic::async_trait]
impl pb::svid_server::Svid for Service {
    async fn mint_x509svid(
        &self,
        request: Request<pb::MintX509svidRequest>,
    ) -> Result<Response<pb::MintX509svidResponse>, Status> {
        let call = Call::of(&request)?;
        mint_x509_svid::handle(&self.0, &call, &request.into_inner()).await.map(Response::new)
    }

    async fn mint_jwtsvid(
        &self,
        request: Request<pb::MintJwtsvidRequest>,
    ) -> Result<Response<pb::MintJwtsvidResponse>, Status> {
        let call = Call::of(&request)?;
        mint_jwt_svid::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn mint_witsvid(
        &self,
        _request: Request<pb::MintWitsvidRequest>,
    ) -> Result<Response<pb::MintWitsvidResponse>, Status> {
        Err(wit_disabled())
    }

    async fn batch_new_x509svid(
        &self,
        request: Request<pb::BatchNewX509svidRequest>,
    ) -> Result<Response<pb::BatchNewX509svidResponse>, Status> {
        let call = Call::of(&request)?;
        batch_new_x509_svid::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn new_jwtsvid(
        &self,
        request: Request<pb::NewJwtsvidRequest>,
    ) -> Result<Response<pb::NewJwtsvidResponse>, Status> {
        let call = Call::of(&request)?;
        new_jwt_svid::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn batch_new_witsvid(
        &self,
        _request: Request<pb::BatchNewWitsvidRequest>,
    ) -> Result<Response<pb::BatchNewWitsvidResponse>, Status> {
        Err(wit_disabled())
    }

    async fn new_downstream_x509ca(
        &self,
        request: Request<pb::NewDownstreamX509caRequest>,
    ) -> Result<Response<pb::NewDownstreamX509caResponse>, Status> {
        let call = Call::of(&request)?;
        new_downstream_x509_ca::handle(&self.0, &call, &request.into_inner()).await.map(Response::new)
    }
}

fn wit_disabled() -> Status {
    Failure::new(Code::Unimplemented, "WIT functionality is disabled").into()
}

/// Refuses what is about JWT-SVIDs when none are issued.
pub(super) fn check_jwt(core: &Core) -> Result<(), Failure> {
    if core.settings.jwt_enabled {
        return Ok(());
    }
    Err(Failure::new(Code::Unimplemented, "JWT functionality is disabled"))
}

fn x509_to_pb(svid: steeple_ca::X509Svid) -> types::X509svid {
    types::X509svid {
        id: Some(id_to_pb(&svid.id)),
        expires_at: svid.expires_at.as_second(),
        cert_chain: svid.chain,
        hint: String::new(),
    }
}

fn jwt_to_pb(svid: steeple_ca::JwtSvid) -> types::Jwtsvid {
    types::Jwtsvid {
        id: Some(id_to_pb(&svid.id)),
        issued_at: svid.issued_at.as_second(),
        expires_at: svid.expires_at.as_second(),
        token: svid.token,
        hint: String::new(),
    }
}
