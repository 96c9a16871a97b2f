//! The end of a call: its status stands in the trailers of its answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use crate::oversized::status_as_from_go;

/// Calls `ended` once with the status of a call when its answer has ended, or when its caller has gone away. That of a
/// message that was too large becomes what Go's gRPC servers say.
pub fn at_end(mut response: Response<Body>, ended: impl FnOnce(&Status) + Send + 'static) -> Response<Body> {
    if let Some(status) = status_as_from_go(response.headers_mut()) {
        ended(&status);
        return response;
    }
    let ended: Ended = Box::new(ended);
    response.map(|inner| Body::new(Watched { inner, ended: Some(ended) }))
}

type Ended = Box<dyn FnOnce(&Status) + Send>;

/// The body of an answer.
struct Watched {
    inner: Body,
    ended: Option<Ended>,
}

impl Watched {
    fn end(&mut self, status: &Status) {
        if let Some(ended) = self.ended.take() {
            ended(status);
        }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &mut frame {
            Some(Ok(frame)) => {
                if let Some(status) = frame.trailers_mut().and_then(status_as_from_go) {
                    self.end(&status);
                }
            }
            Some(Err(status)) => self.end(status),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.end(&Status::cancelled("context canceled"));
    }
}
