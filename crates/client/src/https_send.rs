//! One request of any kind over HTTPS, answered as it is.

use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Bytes;

use crate::https::{HttpsTrust, exchange};

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
#[error("{method} {url:?}: {reason}")]
pub struct SendError {
    /// The method of the request.
    pub method: Method,
    /// Its URL.
    pub url: String,
    /// Why.
    pub reason: String,
}

/// Sends `request`, whose URL must be one of HTTPS, and reads the answer, at most `limit` bytes of body. Redirections are not
/// followed. The caller bounds the time.
///
/// # Errors
/// [`SendError`].
pub async fn send_over_https(
    request: Request<Bytes>,
    trust: &HttpsTrust,
    limit: usize,
) -> Result<Response<Bytes>, SendError> {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let failed = |reason: String| SendError { method: method.clone(), url: uri.to_string(), reason };
    if uri.scheme_str() != Some("https") {
        return Err(failed("the URL must start with https://".to_owned()));
    }
    // Connections are large.
    let stream = Box::pin(trust.connect(&uri)).await.map_err(failed)?;
    let answer = exchange(stream, request, |response| async move {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, limit).collect().await.map_err(|error| error.to_string())?;
        Ok(Response::from_parts(head, body.to_bytes()))
    });
    Box::pin(answer).await.map_err(failed)
}
