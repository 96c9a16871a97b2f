//! Generated code of the wire formats: SPIFFE Workload API, SPIRE's APIs, Envoy SDS, health, CSI, stored protobufs.
//!
//! Modules mirror the packages of the files under `proto/`: `spire::api::server::entry::v1`, `envoy::service::secret::v3`.
//! The Workload API, which has no package, is [`workload`].

/// The SPIFFE Workload API.
pub mod workload {
    include!(concat!(env!("OUT_DIR"), "/workload/_.rs"));
}

mod packages {
    include!(concat!(env!("OUT_DIR"), "/packages.rs"));
}

pub use packages::{csi, envoy, google, grpc, pluginregistration, spire, steeple};

/// The descriptors of all files under `proto/`, an encoded `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[cfg(test)]
mod tests {
    use prost::{Message, Name};

    use super::*;

    #[test]
    fn descriptors_describe_every_generated_package() {
        let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let services: Vec<String> = set
            .file
            .iter()
            .flat_map(|file| file.service.iter().map(|service| format!("{}.{}", file.package(), service.name())))
            .collect();
        for service in [
            ".SpiffeWorkloadAPI",
            "spire.api.server.agent.v1.Agent",
            "spire.api.server.bundle.v1.Bundle",
            "spire.api.server.debug.v1.Debug",
            "spire.api.server.entry.v1.Entry",
            "spire.api.server.localauthority.v1.LocalAuthority",
            "spire.api.server.logger.v1.Logger",
            "spire.api.server.svid.v1.SVID",
            "spire.api.server.trustdomain.v1.TrustDomain",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "envoy.service.secret.v3.SecretDiscoveryService",
            "csi.v1.Identity",
            "csi.v1.Node",
            "pluginregistration.Registration",
            "steeple.agent.podsockets.v1.PodSockets",
        ] {
            assert!(services.iter().any(|known| known == service), "{service} of {services:?}");
        }
    }

    #[test]
    fn messages_know_their_names() {
        assert_eq!(spire::api::types::Bundle::full_name(), "spire.api.types.Bundle");
        assert_eq!(workload::X509svidResponse::full_name(), "X509SVIDResponse");
    }
}
