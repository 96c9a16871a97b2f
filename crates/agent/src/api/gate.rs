//! The gate of each socket: what has no row of that socket does not pass, neither does what comes later, and all else is
//! counted under SPIRE's names.

mod open;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response};
use steeple_client::code_of;
use steeple_net::at_end;
use steeple_plugin::MountedPod;
use steeple_policy::{Availability, method};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service;

use super::table::{Callers, Row, TABLE};
use super::workload::check_header;
use crate::core::Core;

use self::open::{Open, OpenCalls};

/// The sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Socket {
    /// For workloads.
    Public,
    /// For operators.
    Admin,
    /// For the node's CSI driver.
    Driver,
}

impl Socket {
    fn of(callers: Callers) -> Self {
        match callers {
            Callers::Anyone | Callers::Workload => Self::Public,
            Callers::Operator => Self::Admin,
            Callers::Driver => Self::Driver,
        }
    }
}

/// gRPC routes behind the gate of their socket.
#[derive(Clone)]
pub(crate) struct Gate {
    core: Arc<Core>,
    routes: Routes,
    socket: Socket,
    open: OpenCalls,
    /// The pod that every caller is, on a socket of its own.
    pod: Option<Arc<MountedPod>>,
}

impl Gate {
    pub(crate) fn new(core: Arc<Core>, routes: Routes, socket: Socket) -> Self {
        Self { core, routes, socket, open: OpenCalls::default(), pod: None }
    }

    /// The same for a socket on which every caller is `pod`.
    pub(crate) fn of_pod(mut self, pod: Arc<MountedPod>) -> Self {
        self.pod = Some(pod);
        self
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
        let row = match row(self.socket, request.uri().path()) {
            Ok(row) => row,
            // What does not exist is not counted: its name is of the caller's making.
            Err(status) => return Box::pin(std::future::ready(Ok(status.into_http()))),
        };
        request.extensions_mut().insert(row);
        if let Some(pod) = &self.pod {
            request.extensions_mut().insert(Arc::clone(pod));
        }
        let open = Open::new(&self.core, &self.open, row);
        let (core, mut routes) = (Arc::clone(&self.core), self.routes.clone());
        let began = core.clock.monotonic();
        Box::pin(async move {
            let response = match is_there(row, request.headers()) {
                Ok(()) => routes.call(request).await?,
                Err(status) => status.into_http(),
            };
            Ok(at_end(response, move |status| {
                if status.code() == Code::PermissionDenied {
                    core.measures.denied();
                }
                if core.metrics.are_on() {
                    let elapsed = core.clock.monotonic().saturating_sub(began);
                    core.metrics.call(&row.metric(), code_of(status.code()), elapsed);
                }
                drop(open);
            }))
        })
    }
}

/// The row of a path on this socket.
fn row(socket: Socket, path: &str) -> Result<&'static Row, Status> {
    let here = || TABLE.iter().filter(|row| Socket::of(row.callers) == socket);
    let row = here().find(|row| row.method == path);
    row.ok_or_else(|| Status::unimplemented(method::unknown(path, here().map(Row::service))))
}

/// What comes later is authorised like the rest, and then refused.
fn is_there(row: &Row, headers: &HeaderMap) -> Result<(), Status> {
    let Availability::Later(_) = row.availability else { return Ok(()) };
    if row.service() == "SpiffeWorkloadAPI" {
        check_header(headers.get("workload.spiffe.io").map(http::HeaderValue::as_bytes))?;
    }
    Err(Status::unimplemented(method::not_yet(row.method)))
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn answer(socket: Socket, path: &str, header: bool) -> Option<(Code, String)> {
        let mut headers = HeaderMap::new();
        if header {
            headers.insert("workload.spiffe.io", http::HeaderValue::from_static("true"));
        }
        let status = row(socket, path).and_then(|row| is_there(row, &headers)).err()?;
        Some((status.code(), status.message().to_owned()))
    }

    #[test]
    fn methods_are_on_their_socket_only() {
        for row in TABLE.iter().filter(|row| row.availability == Availability::Now) {
            let right = Socket::of(row.callers);
            assert_eq!(answer(right, row.method, true), None, "{}", row.method);
            for wrong in [Socket::Public, Socket::Admin, Socket::Driver].into_iter().filter(|socket| *socket != right) {
                let said = (Code::Unimplemented, format!("unknown service {}", row.service()));
                assert_eq!(answer(wrong, row.method, true), Some(said));
            }
        }
    }

    #[test]
    fn methods_that_come_later_are_authorised_and_say_so() {
        for row in TABLE.iter().filter(|row| row.availability != Availability::Now) {
            let socket = Socket::of(row.callers);
            let said = format!("not available yet: {}", row.method.trim_start_matches('/'));
            assert_eq!(answer(socket, row.method, true), Some((Code::Unimplemented, said)));
        }
        let (code, said) = answer(Socket::Public, "/SpiffeWorkloadAPI/FetchWITSVID", false).unwrap();
        assert_eq!((code, said.as_str()), (Code::InvalidArgument, "security header missing from request"));
    }

    #[test]
    fn methods_that_nobody_knows_are_answered_as_from_go() {
        let (_, said) = answer(Socket::Public, "/SpiffeWorkloadAPI/Nosuch", true).unwrap();
        assert_eq!(said, "unknown method Nosuch for service SpiffeWorkloadAPI");
        assert_eq!(answer(Socket::Public, "/x.Y/Z", true).unwrap().1, "unknown service x.Y");
        assert_eq!(answer(Socket::Public, "", true).unwrap().1, "unknown service ");
    }
}
