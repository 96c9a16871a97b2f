//! steeple against programs that nobody here wrote; one module per area of behaviour.

#[path = "interop/acme.rs"]
mod acme;
#[path = "interop/attestation.rs"]
mod attestation;
#[path = "interop/authorities.rs"]
mod authorities;
#[path = "interop/calls.rs"]
mod calls;
#[path = "interop/certificates.rs"]
mod certificates;
#[path = "interop/cli.rs"]
mod cli;
#[path = "interop/clients.rs"]
mod clients;
#[path = "interop/containers.rs"]
mod containers;
#[path = "interop/databases.rs"]
mod databases;
#[path = "interop/drill.rs"]
mod drill;
#[path = "interop/envoy.rs"]
mod envoy;
#[path = "interop/eviction.rs"]
mod eviction;
#[path = "interop/federation.rs"]
mod federation;
#[path = "interop/hcl.rs"]
mod hcl;
#[path = "interop/identities.rs"]
mod identities;
#[path = "interop/manifests.rs"]
mod manifests;
#[path = "interop/nested.rs"]
mod nested;
#[path = "interop/oidc.rs"]
mod oidc;
#[path = "interop/pid_reuse.rs"]
mod pid_reuse;
#[path = "interop/quickstart.rs"]
mod quickstart;
#[path = "interop/rebootstrap.rs"]
mod rebootstrap;
#[path = "interop/renewal.rs"]
mod renewal;
#[path = "interop/restart.rs"]
mod restart;
#[path = "interop/servers.rs"]
mod servers;
#[path = "interop/systemd.rs"]
mod systemd;
#[path = "interop/takeover.rs"]
mod takeover;
