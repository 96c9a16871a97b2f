//! The end of a call, at which it is counted and logged: its status stands in the trailers of its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use crate::api::access_log::AccessLog;
use crate::api::call::Call;
use crate::api::table::Row;
use crate::core::Core;

/// What is to be done when a call ends.
pub(super) struct Ending {
    core: Arc<Core>,
    row: &'static Row,
    began: Duration,
    logged: Option<(Arc<AccessLog>, tracing::Span)>,
}

impl Ending {
    pub(super) fn new(core: Arc<Core>, row: &'static Row) -> Self {
        let began = core.clock.monotonic();
        Self { core, row, began, logged: None }
    }

    /// The same for a call that was let in.
    pub(super) fn of(self, call: &Call) -> Self {
        Self { logged: call.access.clone().map(|access| (access, call.span.clone())), ..self }
    }

    /// The call has ended with `status`.
    pub(super) fn ended(self, status: &Status) {
        let elapsed = self.core.clock.monotonic().saturating_sub(self.began);
        self.core.metrics.rpc(self.row, status.code(), elapsed);
        if let Some((access, span)) = self.logged {
            span.in_scope(|| access.ended(status));
        }
    }

    /// Waits for the end of `response`.
    pub(super) fn watch(self, response: Response<Body>) -> Response<Body> {
        if let Some(status) = Status::from_header_map(response.headers()) {
            self.ended(&status);
            return response;
        }
        response.map(|inner| Body::new(Watched { inner, ending: Some(self) }))
    }
}

/// The body of an answer.
struct Watched {
    inner: Body,
    ending: Option<Ending>,
}

impl Watched {
    fn ended(&mut self, status: &Status) {
        if let Some(ending) = self.ending.take() {
            ending.ended(status);
        }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(status) = frame.trailers_ref().and_then(Status::from_header_map) {
                    self.ended(&status);
                }
            }
            Some(Err(status)) => self.ended(status),
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
    /// A caller that went away has cancelled its call.
    fn drop(&mut self) {
        self.ended(&Status::cancelled("context canceled"));
    }
}
