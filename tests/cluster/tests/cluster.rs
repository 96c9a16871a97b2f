//! steeple on a real cluster; one module per behaviour.

#[path = "cluster/attestation.rs"]
mod attestation;
#[path = "cluster/cert_manager.rs"]
mod cert_manager;
#[path = "cluster/csi.rs"]
mod csi;
#[path = "cluster/differential.rs"]
mod differential;
#[path = "cluster/explain.rs"]
mod explain;
#[path = "cluster/fifty.rs"]
mod fifty;
#[path = "cluster/forgery.rs"]
mod forgery;
#[path = "cluster/identities.rs"]
mod identities;
#[path = "cluster/mtls.rs"]
mod mtls;
#[path = "cluster/pid_reuse.rs"]
mod pid_reuse;
#[path = "cluster/publishers.rs"]
mod publishers;
#[path = "cluster/steady.rs"]
mod steady;
#[path = "cluster/theirs.rs"]
mod theirs;
#[path = "cluster/tokens.rs"]
mod tokens;
