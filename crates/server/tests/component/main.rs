//! The server over a real SQLite file, real keys and a manual clock; calls are made in the process, as any caller.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod access;
mod agents;
mod attest_agent;
mod audit_trail;
mod batch_create_entry;
mod batch_new_x509_svid;
mod batch_update_entry;
mod bench;
mod bundle_endpoint;
mod bundles;
mod create_join_token;
mod denials;
mod entry_lists;
mod federated_bundles;
mod federation;
mod federation_relationships;
mod gate;
mod jobs;
mod jwt_svids;
mod local_authority;
mod mint_x509_svid;
mod nested;
mod new_downstream_x509_ca;
mod operators;
mod peer;
mod post_status;
mod publish_jwt_authority;
mod publishing;
mod renew_agent;
mod restart;
mod several_servers;
mod sync_authorized_entries;
mod upstream_authority;
mod workload_api;
