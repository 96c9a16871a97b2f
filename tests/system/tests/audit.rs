//! The audit trail of a running server: what is in it, what is seen when it was tampered with, and what happens when it can't
//! be written. Each trail is looked at by two verifiers that share no code.

#[path = "audit/disk.rs"]
mod disk;
#[path = "audit/keeping.rs"]
mod keeping;
#[path = "audit/killing.rs"]
mod killing;
#[path = "audit/proofs.rs"]
mod proofs;
#[path = "audit/rsyslog.rs"]
mod rsyslog;
#[path = "audit/sinks.rs"]
mod sinks;
#[path = "audit/stopped.rs"]
mod stopped;
#[path = "audit/tampering.rs"]
mod tampering;
#[path = "audit/trail.rs"]
mod trail;
#[path = "audit/verifiers.rs"]
mod verifiers;
