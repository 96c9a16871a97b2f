//! Generated code of the wire formats: SPIFFE Workload API, SPIRE APIs, Envoy SDS, health, stored protobufs.
