//! What is counted of each call, under SPIRE's names.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::{Context, Poll};

use http::{Request, Response};
use steeple_client::code_of;
use steeple_net::at_end;
use tonic::body::Body;
use tower::Service;

use super::gate::Gate;
use crate::core::Core;

/// One method: its path, and its key among the metrics.
type Row = (&'static str, &'static str);

/// The methods that are counted. What is not here does not exist, and is not counted: its name is of the caller's making.
const METHODS: &[Row] = &[
    ("/SpiffeWorkloadAPI/FetchJWTBundles", "rpc_workload_api_fetch_jwt_bundles"),
    ("/SpiffeWorkloadAPI/FetchJWTSVID", "rpc_workload_api_fetch_jwtsvid"),
    ("/SpiffeWorkloadAPI/FetchWITBundles", "rpc_workload_api_fetch_wit_bundles"),
    ("/SpiffeWorkloadAPI/FetchWITSVID", "rpc_workload_api_fetch_witsvid"),
    ("/SpiffeWorkloadAPI/FetchX509Bundles", "rpc_workload_api_fetch_x509_bundles"),
    ("/SpiffeWorkloadAPI/FetchX509SVID", "rpc_workload_api_fetch_x509svid"),
    ("/SpiffeWorkloadAPI/ValidateJWTSVID", "rpc_workload_api_validate_jwtsvid"),
    ("/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets", "rpc_sds_v3_delta_secrets"),
    ("/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets", "rpc_sds_v3_fetch_secrets"),
    ("/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets", "rpc_sds_v3_stream_secrets"),
    ("/grpc.health.v1.Health/Check", "rpc_health_check"),
    ("/grpc.health.v1.Health/List", "rpc_health_list"),
    ("/grpc.health.v1.Health/Watch", "rpc_health_watch"),
    ("/spire.agent.debug.v1.Debug/GetInfo", "rpc_spire_agent_debug_v1_debug_get_info"),
    ("/spire.api.agent.logger.v1.Logger/GetLogger", "rpc_spire_api_agent_logger_get_logger"),
    ("/spire.api.agent.logger.v1.Logger/ResetLogLevel", "rpc_spire_api_agent_logger_reset_log_level"),
    ("/spire.api.agent.logger.v1.Logger/SetLogLevel", "rpc_spire_api_agent_logger_set_log_level"),
];

/// Keys of the counters of connections, by the beginning of a method's path.
const CONNECTIONS: &[Row] =
    &[("/SpiffeWorkloadAPI/", "workload_api"), ("/envoy.service.secret.v3.SecretDiscoveryService/", "sds_api")];

/// The gate of a socket, whose calls are counted.
#[derive(Clone)]
pub(crate) struct Counted {
    core: Arc<Core>,
    routes: Gate,
    open: Arc<[AtomicI32; 2]>,
}

impl Counted {
    pub(super) fn new(core: Arc<Core>, routes: Gate) -> Self {
        Self { core, routes, open: Arc::default() }
    }
}

impl Service<Request<Body>> for Counted {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let row = METHODS.iter().find(|(method, _)| *method == path);
        let api = CONNECTIONS.iter().zip(self.open.iter()).position(|((prefix, _), _)| path.starts_with(prefix));
        let open = row.and(api).map(|api| Open::new(Arc::clone(&self.core), Arc::clone(&self.open), api));
        let (core, mut routes) = (Arc::clone(&self.core), self.routes.clone());
        let began = core.clock.monotonic();
        Box::pin(async move {
            let response = routes.call(request).await?;
            let Some((_, key)) = row else { return Ok(response) };
            Ok(at_end(response, move |status| {
                let elapsed = core.clock.monotonic().saturating_sub(began);
                core.metrics.call(key, code_of(status.code()), elapsed);
                drop(open);
            }))
        })
    }
}

/// A call that goes on, of an API whose connections are counted.
struct Open {
    core: Arc<Core>,
    counts: Arc<[AtomicI32; 2]>,
    api: usize,
}

impl Open {
    fn new(core: Arc<Core>, counts: Arc<[AtomicI32; 2]>, api: usize) -> Self {
        let this = Self { core, counts, api };
        this.core.metrics.count(&format!("{}_connection", this.key()), &[]);
        this.change(1);
        this
    }

    fn key(&self) -> &'static str {
        CONNECTIONS.get(self.api).map_or("", |(_, key)| key)
    }

    fn change(&self, by: i32) {
        let Some(count) = self.counts.get(self.api) else { return };
        let now = count.fetch_add(by, Ordering::Relaxed) + by;
        self.core.metrics.gauge(&format!("{}_connections", self.key()), &[], f64::from(now));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.change(-1);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;

    use super::*;

    #[test]
    fn every_method_of_the_sockets_has_a_row() {
        let services = [
            ".SpiffeWorkloadAPI",
            "envoy.service.secret.v3.SecretDiscoveryService",
            "grpc.health.v1.Health",
            "spire.agent.debug.v1.Debug",
            "spire.api.agent.logger.v1.Logger",
        ];
        let set = prost_types::FileDescriptorSet::decode(steeple_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut methods = BTreeSet::new();
        for file in &set.file {
            for service in &file.service {
                let name = format!("{}.{}", file.package(), service.name());
                if services.contains(&name.as_str()) {
                    let name = name.trim_start_matches('.');
                    methods.extend(service.method.iter().map(|method| format!("/{name}/{}", method.name())));
                }
            }
        }
        let rows: BTreeSet<String> = METHODS.iter().map(|(method, _)| (*method).to_owned()).collect();
        assert_eq!(rows, methods);
    }
}
