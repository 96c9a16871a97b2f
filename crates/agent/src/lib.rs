//! The SPIFFE agent: joining, syncing, the Workload API, SDS.
