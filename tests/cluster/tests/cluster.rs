//! steeple on a real cluster; one module per behaviour.

#[path = "cluster/attestation.rs"]
mod attestation;
#[path = "cluster/identities.rs"]
mod identities;
#[path = "cluster/mtls.rs"]
mod mtls;
#[path = "cluster/tokens.rs"]
mod tokens;
