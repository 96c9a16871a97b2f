//! `x509pop`: a certificate of another PKI and the proof that its key is at hand.

mod agent;
mod server;
mod wire;

pub use agent::{X509PopAgent, X509PopAgentConfig};
pub use server::{Trust, X509PopServer, X509PopServerConfig};

const NAME: &str = "x509pop";

#[cfg(test)]
mod tests;
