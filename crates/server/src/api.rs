//! The gRPC APIs: each file parses one RPC's request, calls an operation or the datastore, and maps the answer.

pub(crate) mod access;
pub(crate) mod access_log;
mod agent;
mod bundle;
pub(crate) mod call;
mod convert;
mod debug;
mod entry;
mod explain;
pub(crate) mod gate;
mod health;
pub(crate) mod limits;
mod local_authority;
mod logger;
pub(crate) mod status;
mod svid;
mod table;
mod trust_domain;

use std::sync::Arc;

use steeple_proto::grpc::health::v1::health_server::HealthServer;
use steeple_proto::spire::api::server as pb;
use tonic::service::Routes;

pub use access::explain::explain_by;
pub use limits::RateSettings;
pub use table::{Rate, Row, TABLE};

use crate::core::Core;
use crate::health::Health;

/// Largest message taken, in bytes (gRPC's own default).
const MAX_MESSAGE: usize = 4 << 20;

/// All services; the gate keeps those of the private socket from the network.
pub(crate) fn routes(core: &Arc<Core>, health: &Arc<Health>) -> Routes {
    use pb::agent::v1::agent_server::AgentServer;
    use pb::bundle::v1::bundle_server::BundleServer;
    use pb::debug::v1::debug_server::DebugServer;
    use pb::entry::v1::entry_server::EntryServer;
    use pb::localauthority::v1::local_authority_server::LocalAuthorityServer;
    use pb::logger::v1::logger_server::LoggerServer;
    use pb::svid::v1::svid_server::SvidServer;
    use pb::trustdomain::v1::trust_domain_server::TrustDomainServer;
    use steeple_proto::steeple::server::access::v1::access_server::AccessServer;
    use steeple_proto::steeple::server::explain::v1::explain_server::ExplainServer;

    let core = || Arc::clone(core);
    let mut routes = Routes::builder();
    routes
        .add_service(AccessServer::new(access::Service(core())))
        .add_service(AgentServer::new(agent::Service(core())).max_decoding_message_size(MAX_MESSAGE))
        .add_service(BundleServer::new(bundle::Service(core())).max_decoding_message_size(MAX_MESSAGE))
        .add_service(DebugServer::new(debug::Service(core())))
        .add_service(EntryServer::new(entry::Service(core())).max_decoding_message_size(MAX_MESSAGE))
        .add_service(ExplainServer::new(explain::Service(core())).max_decoding_message_size(MAX_MESSAGE))
        .add_service(LocalAuthorityServer::new(local_authority::Service(core())))
        .add_service(LoggerServer::new(logger::Service(core())))
        .add_service(SvidServer::new(svid::Service(core())).max_decoding_message_size(MAX_MESSAGE))
        .add_service(TrustDomainServer::new(trust_domain::Service(core())).max_decoding_message_size(MAX_MESSAGE))
        .add_service(HealthServer::new(health::Service(Arc::clone(health))));
    routes.routes()
}
