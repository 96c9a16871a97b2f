//! The Access service: scoped rights, told and changed.

mod approvals;
mod bindings;
pub(crate) mod convert;
pub(crate) mod explain;

use std::sync::Arc;

use steeple_proto::steeple::server::access::v1 as pb;
use tonic::{Code, Request, Response, Status};

use super::call::Call;
use super::status::Failure;
use crate::access::AccessSettings;
use crate::core::Core;

pub(crate) use approvals::second_person;

pub(super) struct Service(pub(super) Arc<Core>);

#[tonic::async_trait]
impl pb::access_server::Access for Service {
    async fn list_bindings(
        &self,
        request: Request<pb::ListBindingsRequest>,
    ) -> Result<Response<pb::ListBindingsResponse>, Status> {
        let call = Call::of(&request)?;
        bindings::list(&self.0, &call).await.map(Response::new)
    }

    async fn create_binding(
        &self,
        request: Request<pb::CreateBindingRequest>,
    ) -> Result<Response<pb::Binding>, Status> {
        let call = Call::of(&request)?;
        bindings::create(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn delete_binding(
        &self,
        request: Request<pb::DeleteBindingRequest>,
    ) -> Result<Response<pb::DeleteBindingResponse>, Status> {
        let call = Call::of(&request)?;
        bindings::delete(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn explain(&self, request: Request<pb::ExplainRequest>) -> Result<Response<pb::Decision>, Status> {
        Call::of(&request)?.may(&[])?;
        explain::explain(&self.0, &request.into_inner()).await.map(Response::new)
    }

    async fn who_can(&self, request: Request<pb::WhoCanRequest>) -> Result<Response<pb::WhoCanResponse>, Status> {
        Call::of(&request)?.may(&[])?;
        explain::who_can(&self.0, &request.into_inner()).await.map(Response::new)
    }

    async fn list_approvals(
        &self,
        request: Request<pb::ListApprovalsRequest>,
    ) -> Result<Response<pb::ListApprovalsResponse>, Status> {
        Call::of(&request)?.may(&[])?;
        approvals::list(&self.0).await.map(Response::new)
    }

    async fn approve(&self, request: Request<pb::ApproveRequest>) -> Result<Response<pb::Approval>, Status> {
        let call = Call::of(&request)?;
        approvals::approve(&self.0, &call, request.into_inner()).await.map(Response::new)
    }
}

/// What the configuration says of scoped rights.
fn settings(core: &Core) -> Result<&AccessSettings, Failure> {
    core.settings.access.as_ref().ok_or_else(|| {
        let message = "scoped rights are not on: the configuration has no block access with mode \"scoped\"";
        Failure::new(Code::FailedPrecondition, message)
    })
}
