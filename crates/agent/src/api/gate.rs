//! The gate of each socket: what has no row of that socket does not pass, and neither does what comes later.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

use super::table::{Availability, Callers, Row, TABLE};
use super::workload::check_header;

/// The sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Socket {
    /// For workloads.
    Public,
    /// For operators.
    Admin,
}

/// gRPC routes behind the gate of their socket.
#[derive(Clone)]
pub(crate) struct Gate {
    routes: Routes,
    socket: Socket,
}

impl Gate {
    pub(crate) fn new(routes: Routes, socket: Socket) -> Self {
        Self { routes, socket }
    }
}

impl Service<Request<Body>> for Gate {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match admit(self.socket, request.uri().path(), request.headers()) {
            Ok(()) => Box::pin(self.routes.call(request)),
            Err(status) => Box::pin(std::future::ready(Ok(status.into_http()))),
        }
    }
}

/// Lets a call in, or answers it.
fn admit(socket: Socket, path: &str, headers: &HeaderMap) -> Result<(), Status> {
    let here = |row: &&Row| (row.callers == Callers::Operator) == (socket == Socket::Admin);
    let Some(row) = TABLE.iter().filter(here).find(|row| row.method == path) else {
        let (service, method) = path.trim_start_matches('/').rsplit_once('/').unwrap_or_default();
        let known = TABLE.iter().filter(here).any(|row| row.service() == service);
        // As Go's gRPC servers say it.
        return Err(Status::unimplemented(if known {
            format!("unknown method {method} for service {service}")
        } else {
            format!("unknown service {service}")
        }));
    };
    let Availability::Later(_) = row.availability else { return Ok(()) };
    if row.service() == "SpiffeWorkloadAPI" {
        check_header(headers.get("workload.spiffe.io").map(http::HeaderValue::as_bytes))?;
    }
    Err(Status::unimplemented(format!("not available yet: {}", path.trim_start_matches('/'))))
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
        let status = admit(socket, path, &headers).err()?;
        Some((status.code(), status.message().to_owned()))
    }

    #[test]
    fn methods_are_on_their_socket_only() {
        for row in TABLE.iter().filter(|row| row.availability == Availability::Now) {
            let (right, wrong) = match row.callers {
                Callers::Operator => (Socket::Admin, Socket::Public),
                Callers::Anyone | Callers::Workload => (Socket::Public, Socket::Admin),
            };
            assert_eq!(answer(right, row.method, true), None, "{}", row.method);
            let said = (Code::Unimplemented, format!("unknown service {}", row.service()));
            assert_eq!(answer(wrong, row.method, true), Some(said));
        }
    }

    #[test]
    fn methods_that_come_later_are_authorised_and_say_so() {
        for row in TABLE.iter().filter(|row| row.availability != Availability::Now) {
            let socket = if row.callers == Callers::Operator { Socket::Admin } else { Socket::Public };
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
