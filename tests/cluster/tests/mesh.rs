//! Istio's sidecars with identities from steeple, on the cluster of the run.

#[path = "mesh/authorization.rs"]
mod authorization;
#[path = "mesh/fail_closed.rs"]
mod fail_closed;
#[path = "mesh/mtls.rs"]
mod mtls;
#[path = "mesh/overlay.rs"]
mod overlay;
#[path = "mesh/rotation.rs"]
mod rotation;
