//! The Entry service.

mod batch_create_entry;
mod batch_delete_entry;
mod batch_update_entry;
mod decided;
mod get_authorized_entries;
mod get_entry;
mod list_entries;
mod sync_authorized_entries;

use std::pin::Pin;
use std::sync::Arc;

use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::types;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::call::Call;
use crate::core::Core;

pub(super) struct Service(pub(super) Arc<Core>);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl pb::entry_server::Entry for Service {
    type SyncAuthorizedEntriesStream = Answers<pb::SyncAuthorizedEntriesResponse>;

    async fn count_entries(
        &self,
        request: Request<pb::CountEntriesRequest>,
    ) -> Result<Response<pb::CountEntriesResponse>, Status> {
        let call = Call::of(&request)?;
        list_entries::count(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn list_entries(
        &self,
        request: Request<pb::ListEntriesRequest>,
    ) -> Result<Response<pb::ListEntriesResponse>, Status> {
        let call = Call::of(&request)?;
        list_entries::list(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn get_entry(&self, request: Request<pb::GetEntryRequest>) -> Result<Response<types::Entry>, Status> {
        let call = Call::of(&request)?;
        get_entry::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn batch_create_entry(
        &self,
        request: Request<pb::BatchCreateEntryRequest>,
    ) -> Result<Response<pb::BatchCreateEntryResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(batch_create_entry::handle(&self.0, &call, &request.into_inner()).await))
    }

    async fn batch_update_entry(
        &self,
        request: Request<pb::BatchUpdateEntryRequest>,
    ) -> Result<Response<pb::BatchUpdateEntryResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(batch_update_entry::handle(&self.0, &call, &request.into_inner()).await))
    }

    async fn batch_delete_entry(
        &self,
        request: Request<pb::BatchDeleteEntryRequest>,
    ) -> Result<Response<pb::BatchDeleteEntryResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(batch_delete_entry::handle(&self.0, &call, request.into_inner()).await))
    }

    async fn get_authorized_entries(
        &self,
        request: Request<pb::GetAuthorizedEntriesRequest>,
    ) -> Result<Response<pb::GetAuthorizedEntriesResponse>, Status> {
        let call = Call::of(&request)?;
        get_authorized_entries::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn sync_authorized_entries(
        &self,
        request: Request<Streaming<pb::SyncAuthorizedEntriesRequest>>,
    ) -> Result<Response<Self::SyncAuthorizedEntriesStream>, Status> {
        let call = Call::of(&request)?;
        sync_authorized_entries::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }
}
