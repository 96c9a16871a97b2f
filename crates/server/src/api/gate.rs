//! The gate that every call passes: who calls, may he, is it his turn. What has no row does not pass.

mod admit;
mod ending;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use steeple_net::{Peer, at_end};
use steeple_policy::method;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower_service::Service;
use tracing::{Instrument, error_span};
use uuid::Uuid;

use crate::access::issuers::bearer;
use crate::api::table::{Row, TABLE};
use crate::core::Core;

use self::admit::admit;
use self::ending::Ending;

/// gRPC routes behind their gate. Who calls is told by a [`Peer`] among the extensions of a request.
#[derive(Clone)]
pub(crate) struct Gate {
    core: Arc<Core>,
    routes: Routes,
    rows: Arc<HashMap<&'static str, &'static Row>>,
}

impl Gate {
    pub(crate) fn new(core: Arc<Core>, routes: Routes) -> Self {
        let rows = TABLE.iter().map(|row| (row.method, row)).collect();
        Self { core, routes, rows: Arc::new(rows) }
    }
}

impl Service<Request<Body>> for Gate {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let row = self.rows.get(request.uri().path()).copied();
        let (core, mut routes) = (Arc::clone(&self.core), self.routes.clone());
        Box::pin(async move {
            let Some(row) = row else {
                let said = method::unknown(request.uri().path(), TABLE.iter().map(Row::full_service));
                return Ok(Status::unimplemented(said).into_http());
            };
            let Some(peer) = request.extensions().get::<Peer>().cloned() else {
                return Ok(Status::internal("no peer information available").into_http());
            };
            let ending = Ending::new(Arc::clone(&core), row, peer.clone());
            let token = bearer(request.headers());
            let call = match admit(&core, row, &peer, token).instrument(span(row, &peer)).await {
                Ok(call) => call,
                Err(status) => {
                    ending.ended(&status);
                    return Ok(status.into_http());
                }
            };
            let ending = ending.of(&call);
            let span = call.span.clone();
            request.extensions_mut().insert(call);
            let response = routes.call(request).instrument(span).await?;
            Ok(at_end(response, move |status| ending.ended(status)))
        })
    }
}

/// What each log line about the call tells. The span is of the highest level, so that no level of the log leaves it out.
fn span(row: &Row, peer: &Peer) -> tracing::Span {
    let span = error_span!(
        "call",
        service = row.service(),
        method = row.name(),
        request_id = %Uuid::new_v4(),
        subsystem_name = "api",
        caller_addr = tracing::field::Empty,
        caller_id = tracing::field::Empty,
    );
    if let Peer::Tls { address, .. } = peer {
        span.record("caller_addr", tracing::field::display(address));
    }
    span
}
