//! The agent's gRPC APIs.

mod admin;
mod explain;
mod gate;
mod health;
mod pod_sockets;
mod sds;
pub mod table;
mod workload;

use std::sync::Arc;

use steeple_proto::envoy::service::secret::v3::secret_discovery_service_server::SecretDiscoveryServiceServer;
use steeple_proto::grpc::health::v1::health_server::HealthServer;
use steeple_proto::spire::agent::debug::v1::debug_server::DebugServer;
use steeple_proto::spire::api::agent::logger::v1::logger_server::LoggerServer;
use steeple_proto::steeple::agent::explain::v1::explain_server::ExplainServer;
use steeple_proto::steeple::agent::podsockets::v1::pod_sockets_server::PodSocketsServer;
use steeple_proto::workload::spiffe_workload_api_server::SpiffeWorkloadApiServer;
use tonic::service::Routes;

use crate::core::Core;
use crate::pods::PodSockets;

pub(crate) use self::gate::Gate;
use self::gate::Socket;
pub(crate) use self::table::Row;

/// What the public socket offers.
pub(crate) fn public_routes(core: &Arc<Core>) -> Gate {
    let mut routes = Routes::builder();
    routes.add_service(HealthServer::new(health::Service(Arc::clone(core))));
    if core.settings.workload_api {
        routes.add_service(SpiffeWorkloadApiServer::new(workload::Service(Arc::clone(core))));
    }
    if core.settings.sds_api {
        routes.add_service(SecretDiscoveryServiceServer::new(sds::Service(Arc::clone(core))));
    }
    Gate::new(Arc::clone(core), routes.routes(), Socket::Public)
}

/// What the admin socket offers.
pub(crate) fn admin_routes(core: &Arc<Core>) -> Gate {
    let mut routes = Routes::builder();
    routes
        .add_service(DebugServer::new(admin::DebugService(Arc::clone(core))))
        .add_service(ExplainServer::new(explain::Service(Arc::clone(core))))
        .add_service(LoggerServer::new(admin::LoggerService(Arc::clone(core))));
    Gate::new(Arc::clone(core), routes.routes(), Socket::Admin)
}

/// What the socket of the CSI driver offers.
pub(crate) fn driver_routes(core: &Arc<Core>, sockets: &Arc<PodSockets>) -> Gate {
    let mut routes = Routes::builder();
    routes.add_service(PodSocketsServer::new(pod_sockets::Service(Arc::clone(sockets))));
    Gate::new(Arc::clone(core), routes.routes(), Socket::Driver)
}
