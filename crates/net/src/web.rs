//! HTTP: a small listener for health and metrics, and listeners for whole requests with the certificates that they present.

mod certificate;
mod requests;
#[cfg(test)]
mod testing;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use steeple_runtime::Shutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use self::certificate::{CertificateError, CertificateFiles};
pub use self::requests::{AwaitedCertificates, Connection, Endpoint, Respond, WebLimits, serve_requests};

/// Most connections at once: more than a careless or slow party will hold open, so that it does not shut out the probes.
const CONNECTIONS: usize = 1024;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The media type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A status with its own text.
    pub fn plain(status: StatusCode) -> Self {
        let body = format!("{}\n", status.canonical_reason().unwrap_or_default());
        Self { status, content_type: "text/plain; charset=utf-8", body }
    }
}

impl From<Answer> for Response<Bytes> {
    fn from(answer: Answer) -> Self {
        let mut response = Self::new(Bytes::from(answer.body));
        *response.status_mut() = answer.status;
        let content_type = http::HeaderValue::from_static(answer.content_type);
        response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
        response
    }
}

/// Answers a GET of a path.
pub type Handler = dyn Fn(&str) -> Answer + Send + Sync;

/// Serves GET and HEAD requests by `handler` until the shutdown.
///
/// # Errors
/// Never now; the listener may fail in later versions.
pub async fn serve(listener: TcpListener, handler: Arc<Handler>, shutdown: Shutdown) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Some(Ok(place)) = shutdown.until(Arc::clone(&places).acquire_owned()).await {
        let Some(accepted) = shutdown.until(listener.accept()).await else { break };
        let Ok((socket, _)) = accepted else { continue };
        while connections.try_join_next().is_some() {}
        let handler = Arc::clone(&handler);
        connections.spawn(async move {
            let _place = place;
            let service = service_fn(move |request: Request<Incoming>| {
                std::future::ready(Ok::<_, Infallible>(answer(&*handler, &request)))
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
            // A party that goes away in the middle of an answer is no concern of ours.
            drop(builder.serve_connection(TokioIo::new(socket), service).await);
        });
    }
    connections.shutdown().await;
    Ok(())
}

fn answer(handler: &Handler, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let answer = match *request.method() {
        http::Method::GET | http::Method::HEAD => handler(request.uri().path()),
        _ => Answer::plain(StatusCode::METHOD_NOT_ALLOWED),
    };
    Response::from(answer).map(Full::new)
}
