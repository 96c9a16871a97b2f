//! A Workload API that gives every caller the X.509-SVID that a test has made.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use steeple_proto::workload as pb;
use steeple_proto::workload::spiffe_workload_api_server::{SpiffeWorkloadApi, SpiffeWorkloadApiServer};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_stream::wrappers::{UnixListenerStream, WatchStream};
use tonic::{Request, Response, Status};

type Answers<T> = futures::stream::BoxStream<'static, Result<T, Status>>;

/// What it gives, and is to give next; nothing as long as there is nothing.
#[derive(Clone)]
pub(crate) struct FakeWorkloadApi {
    given: watch::Sender<Option<pb::X509svidResponse>>,
    asked: Arc<AtomicUsize>,
}

impl FakeWorkloadApi {
    pub(crate) fn new() -> Self {
        Self { given: watch::Sender::new(None), asked: Arc::default() }
    }

    /// Gives `svid` from now on, to those who have a stream already too.
    pub(crate) fn give(&self, svid: pb::X509svid) {
        self.given.send_replace(Some(pb::X509svidResponse { svids: vec![svid], ..pb::X509svidResponse::default() }));
    }

    /// Gives nothing from now on, and ends the streams that there are.
    pub(crate) fn withdraw(&self) {
        self.given.send_replace(None);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Serves on a socket that is made at `path`, for as long as it is awaited.
    pub(crate) async fn serve(&self, path: &Path) {
        let listener = UnixListener::bind(path).unwrap();
        let service = SpiffeWorkloadApiServer::new(self.clone());
        let server = tonic::transport::Server::builder().add_service(service);
        server.serve_with_incoming(UnixListenerStream::new(listener)).await.unwrap();
    }
}

#[tonic::async_trait]
impl SpiffeWorkloadApi for FakeWorkloadApi {
    type FetchX509SVIDStream = Answers<pb::X509svidResponse>;
    type FetchX509BundlesStream = Answers<pb::X509BundlesResponse>;
    type FetchJWTBundlesStream = Answers<pb::JwtBundlesResponse>;
    type FetchWITSVIDStream = Answers<pb::WitsvidResponse>;
    type FetchWITBundlesStream = Answers<pb::WitBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        request: Request<pb::X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        if request.metadata().get("workload.spiffe.io").is_none_or(|value| value != "true") {
            return Err(Status::invalid_argument("security header missing from request"));
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.given.borrow().is_none() {
            return Err(Status::permission_denied("no identity issued"));
        }
        let given = WatchStream::new(self.given.subscribe());
        let answers =
            given.take_while(|given| std::future::ready(given.is_some())).filter_map(async |given| given.map(Ok));
        Ok(Response::new(answers.boxed()))
    }

    async fn fetch_x509_bundles(
        &self,
        _request: Request<pb::X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn fetch_jwtsvid(
        &self,
        _request: Request<pb::JwtsvidRequest>,
    ) -> Result<Response<pb::JwtsvidResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn fetch_jwt_bundles(
        &self,
        _request: Request<pb::JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn validate_jwtsvid(
        &self,
        _request: Request<pb::ValidateJwtsvidRequest>,
    ) -> Result<Response<pb::ValidateJwtsvidResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn fetch_witsvid(
        &self,
        _request: Request<pb::WitsvidRequest>,
    ) -> Result<Response<Self::FetchWITSVIDStream>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn fetch_wit_bundles(
        &self,
        _request: Request<pb::WitBundlesRequest>,
    ) -> Result<Response<Self::FetchWITBundlesStream>, Status> {
        Err(Status::unimplemented("not here"))
    }
}
