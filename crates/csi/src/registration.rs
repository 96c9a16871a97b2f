//! The service `pluginregistration.Registration`, by which a kubelet learns of the driver.

use std::sync::Arc;

use steeple_proto::pluginregistration as pb;
use tonic::{Request, Response, Status};
use tracing::{error, info};

use crate::driver::Driver;

/// Versions of the CSI that the driver speaks.
const VERSIONS: &[&str] = &["1.0.0"];

pub(crate) struct Service {
    pub(crate) driver: Arc<Driver>,
    /// The driver's socket as the kubelet sees it.
    pub(crate) endpoint: String,
}

#[tonic::async_trait]
impl pb::registration_server::Registration for Service {
    async fn get_info(&self, _request: Request<pb::InfoRequest>) -> Result<Response<pb::PluginInfo>, Status> {
        Ok(Response::new(pb::PluginInfo {
            r#type: "CSIPlugin".to_owned(),
            name: self.driver.config.plugin_name.clone(),
            endpoint: self.endpoint.clone(),
            supported_versions: VERSIONS.iter().map(|version| (*version).to_owned()).collect(),
        }))
    }

    async fn notify_registration_status(
        &self,
        request: Request<pb::RegistrationStatus>,
    ) -> Result<Response<pb::RegistrationStatusResponse>, Status> {
        let pb::RegistrationStatus { plugin_registered, error } = request.into_inner();
        if plugin_registered {
            info!(endpoint = self.endpoint, "Kubelet registered the driver");
        } else {
            // It tries again by itself.
            error!(error, endpoint = self.endpoint, "Kubelet could not register the driver");
        }
        Ok(Response::new(pb::RegistrationStatusResponse {}))
    }
}

#[cfg(test)]
mod tests {
    use steeple_client::connect_unix;
    use steeple_proto::pluginregistration as pb;
    use steeple_proto::pluginregistration::registration_client::RegistrationClient;

    use crate::testing::{Bench, in_time};

    #[tokio::test]
    async fn kubelet_is_told_of_the_driver_while_it_runs() {
        let bench = Bench::registering().await;
        let path = bench.registration_socket();
        in_time(async {
            while !path.exists() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(bench.csi_socket().exists(), "the kubelet calls it at once");
        let mut kubelet = RegistrationClient::new(connect_unix(&path));
        let told = in_time(kubelet.get_info(pb::InfoRequest {})).await.unwrap().into_inner();
        assert_eq!((told.r#type.as_str(), told.name.as_str()), ("CSIPlugin", "csi.spiffe.io"));
        assert_eq!(told.endpoint, "/var/lib/kubelet/plugins/csi.spiffe.io/csi.sock");
        assert_eq!(told.supported_versions, ["1.0.0"]);
        let status = pb::RegistrationStatus { plugin_registered: true, error: String::new() };
        in_time(kubelet.notify_registration_status(status)).await.unwrap();
        drop(kubelet);
        bench.stop();
        in_time(async {
            while path.exists() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}
