//! Channels over Unix sockets.

use std::path::Path;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::DialError;

/// The `:authority` of calls over a Unix socket, that of Go's gRPC library.
pub(crate) const AUTHORITY: &str = "http://localhost";

/// A channel to the socket at `path`, connected by the first call on it.
///
/// A call that can't connect fails with `Unavailable` and the text of Go's gRPC library.
pub fn connect_unix(path: &Path) -> Channel {
    connect_unix_as(path, path.display().to_string())
}

/// As [`connect_unix`], with another form of the address in error texts.
pub fn connect_unix_as(path: &Path, address: String) -> Channel {
    let path = path.to_owned();
    let connector = service_fn(move |_: Uri| {
        let (path, address) = (path.clone(), address.clone());
        async move {
            let stream = UnixStream::connect(&path).await;
            stream.map(TokioIo::new).map_err(|error| DialError::dial("unix", address, &error))
        }
    });
    Endpoint::from_static(AUTHORITY).connect_with_connector_lazy(connector)
}

#[cfg(test)]
mod tests {
    use steeple_proto::grpc::health::v1::HealthCheckRequest;
    use steeple_proto::grpc::health::v1::health_client::HealthClient;
    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn absent_socket_reads_as_in_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        let channel = connect_unix_as(&path, format!("//{}", path.display()));
        let status = HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        let address = path.display();
        assert_eq!(
            status.message(),
            format!(
                "connection error: desc = \"transport: Error while dialing: \
                 dial unix //{address}: connect: no such file or directory\""
            )
        );
    }
}
