//! Generated code of the wire formats: SPIFFE Workload API, SPIRE's APIs, Envoy SDS, health, stored protobufs.
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

pub use packages::{envoy, google, grpc, spire};

/// The descriptors of all files under `proto/`, an encoded `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
