//! Asking a driver whether it serves, as a pod's probe does.

use std::path::Path;

use steeple_client::connect_unix;
use steeple_proto::csi::v1::ProbeRequest;
use steeple_proto::csi::v1::identity_client::IdentityClient;
use tonic::Status;

/// Asks the driver on a socket whether it serves.
///
/// # Errors
/// The driver's answer when it does not, or that there is none.
pub async fn probe(csi_socket: &Path) -> Result<(), Status> {
    IdentityClient::new(connect_unix(csi_socket)).probe(ProbeRequest {}).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::probe;
    use crate::testing::{Bench, in_time};

    #[tokio::test]
    async fn driver_that_serves_is_told_from_none() {
        let bench = Bench::new().await;
        in_time(probe(&bench.csi_socket())).await.unwrap();
        let nowhere = bench.csi_socket().with_file_name("nobody.sock");
        assert!(in_time(probe(&nowhere)).await.is_err());
    }
}
