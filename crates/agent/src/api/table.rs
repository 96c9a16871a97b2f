//! One row per RPC of the agent: who may call it, by which rate it is limited, what it yields, and since when it is there.

use steeple_policy::method::split;
use steeple_policy::{AuditClass, Availability};
use steeple_telemetry::rpc_key;

use self::AuditClass::{Change, Credential, Read};
use self::Callers::{Anyone, Driver, Operator, Workload};

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Whoever reaches the public socket.
    Anyone,
    /// A workload on the public socket, attested by the call.
    Workload,
    /// Whoever reaches the admin socket.
    Operator,
    /// The node's CSI driver, on a socket that only root reaches.
    Driver,
}

/// The limit of calls per workload: a key of `experimental.ratelimit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// None.
    Unlimited,
    /// By this key.
    PerWorkload(&'static str),
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Full method, `/package.Service/Method`.
    pub method: &'static str,
    /// Who may call it.
    pub callers: Callers,
    /// By which rate it is limited.
    pub rate: Rate,
    /// What it does.
    pub audit: AuditClass,
    /// Whether it is there.
    pub availability: Availability,
}

impl Row {
    /// The service with its package.
    pub fn service(&self) -> &'static str {
        split(self.method).0
    }

    /// The metric under which calls are counted: `rpc_workload_api_fetch_x509svid`.
    pub fn metric(&self) -> String {
        let (service, method) = split(self.method);
        let service = match service {
            "SpiffeWorkloadAPI" => "WorkloadAPI",
            "envoy.service.secret.v3.SecretDiscoveryService" => "SDS.v3",
            "grpc.health.v1.Health" => "Health",
            "spire.api.agent.delegatedidentity.v1.DelegatedIdentity" => "DelegatedIdentity",
            "spire.api.agent.logger.v1.Logger" => "spire.api.agent.Logger",
            "steeple.agent.explain.v1.Explain" => "Explain",
            "steeple.agent.podsockets.v1.PodSockets" => "PodSockets",
            service => service,
        };
        rpc_key("rpc", service, method)
    }
}

const fn row(method: &'static str, callers: Callers, audit: AuditClass) -> Row {
    Row { method, callers, rate: Rate::Unlimited, audit, availability: Availability::Now }
}

const fn limited(method: &'static str, key: &'static str, audit: AuditClass) -> Row {
    Row { method, callers: Workload, rate: Rate::PerWorkload(key), audit, availability: Availability::Now }
}

const fn later(method: &'static str, callers: Callers, audit: AuditClass, feature: &'static str) -> Row {
    Row { method, callers, rate: Rate::Unlimited, audit, availability: Availability::Later(feature) }
}

const WIT: &str = "WIT-SVIDs";
const DELEGATION: &str = "the Delegated Identity API";
const REFLECTION: &str = "reflection";

/// All rows.
#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    limited("/SpiffeWorkloadAPI/FetchX509SVID", "fetch_x509_svid", Credential),
    limited("/SpiffeWorkloadAPI/FetchX509Bundles", "fetch_x509_bundles", Read),
    limited("/SpiffeWorkloadAPI/FetchJWTSVID", "fetch_jwt_svid", Credential),
    limited("/SpiffeWorkloadAPI/FetchJWTBundles", "fetch_jwt_bundles", Read),
    row("/SpiffeWorkloadAPI/ValidateJWTSVID", Workload, Read),
    later("/SpiffeWorkloadAPI/FetchWITSVID", Workload, Credential, WIT),
    later("/SpiffeWorkloadAPI/FetchWITBundles", Workload, Read, WIT),

    row("/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets", Workload, Credential),
    limited("/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets", "stream_secrets", Credential),
    limited("/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets", "fetch_secrets", Credential),

    row("/grpc.health.v1.Health/Check", Anyone, Read),
    row("/grpc.health.v1.Health/List", Anyone, Read),
    row("/grpc.health.v1.Health/Watch", Anyone, Read),

    later("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Anyone, Read, REFLECTION),
    later("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Anyone, Read, REFLECTION),

    row("/spire.agent.debug.v1.Debug/GetInfo", Operator, Read),

    row("/spire.api.agent.logger.v1.Logger/GetLogger", Operator, Read),
    row("/spire.api.agent.logger.v1.Logger/SetLogLevel", Operator, Change),
    row("/spire.api.agent.logger.v1.Logger/ResetLogLevel", Operator, Change),

    row("/steeple.agent.explain.v1.Explain/Explain", Operator, Read),

    row("/steeple.agent.podsockets.v1.PodSockets/OpenPodSocket", Driver, Change),
    row("/steeple.agent.podsockets.v1.PodSockets/ClosePodSocket", Driver, Change),
    row("/steeple.agent.podsockets.v1.PodSockets/RetainPodSockets", Driver, Change),

    later("/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/SubscribeToX509SVIDs", Operator, Credential, DELEGATION),
    later("/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/SubscribeToX509Bundles", Operator, Read, DELEGATION),
    later("/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/FetchJWTSVIDs", Operator, Credential, DELEGATION),
    later("/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/SubscribeToJWTBundles", Operator, Read, DELEGATION),
];

/// The keys of `experimental.ratelimit`, with their methods.
pub(crate) fn limits() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().filter_map(|row| match row.rate {
        Rate::PerWorkload(key) => Some((key, row.method)),
        Rate::Unlimited => None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;

    use super::*;

    #[test]
    fn every_method_of_the_agent_has_one_row() {
        let set = prost_types::FileDescriptorSet::decode(steeple_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut methods = BTreeSet::new();
        for file in set.file {
            let package = file.package().to_owned();
            // What the server offers, and the CSI driver.
            if ["spire.api.server.", "steeple.server.", "csi.", "pluginregistration"]
                .iter()
                .any(|other| package.starts_with(other))
            {
                continue;
            }
            for service in &file.service {
                let service_name = if package.is_empty() {
                    service.name().to_owned()
                } else {
                    format!("{package}.{}", service.name())
                };
                methods.extend(service.method.iter().map(|method| format!("/{service_name}/{}", method.name())));
            }
        }
        let rows: Vec<String> = TABLE.iter().map(|row| row.method.to_owned()).collect();
        assert_eq!(rows.iter().cloned().collect::<BTreeSet<_>>(), methods);
        assert_eq!(rows.len(), methods.len(), "a method has two rows");
    }

    #[test]
    fn metrics_have_the_names_of_spire() {
        let metrics: BTreeSet<String> = TABLE.iter().map(Row::metric).collect();
        for known in [
            "rpc_workload_api_fetch_jwt_bundles",
            "rpc_workload_api_fetch_jwtsvid",
            "rpc_workload_api_fetch_witsvid",
            "rpc_workload_api_fetch_x509_bundles",
            "rpc_workload_api_fetch_x509svid",
            "rpc_workload_api_validate_jwtsvid",
            "rpc_sds_v3_delta_secrets",
            "rpc_sds_v3_fetch_secrets",
            "rpc_sds_v3_stream_secrets",
            "rpc_health_check",
            "rpc_pod_sockets_open_pod_socket",
            "rpc_spire_agent_debug_v1_debug_get_info",
            "rpc_spire_api_agent_logger_reset_log_level",
        ] {
            assert!(metrics.contains(known), "{known} of {metrics:?}");
        }
        assert_eq!(metrics.len(), TABLE.len());
    }

    #[test]
    fn documentation_lists_what_comes_later() {
        let page = include_str!("../../../../docs/reference/not-yet.md");
        let section = page.split("\n## ").find_map(|section| section.strip_prefix("RPCs of the agent\n")).unwrap();
        let documented: BTreeSet<String> =
            section.lines().filter(|line| line.starts_with("| `/")).map(str::to_owned).collect();
        let later = TABLE.iter().filter_map(|row| match row.availability {
            Availability::Later(feature) => Some(format!("| `{}` | {feature} |", row.method)),
            Availability::Now => None,
        });
        assert_eq!(documented, later.collect());
    }
}
