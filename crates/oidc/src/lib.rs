//! The OIDC discovery provider: a discovery document, and the JWT authorities of a trust domain as a JWK set, so that OIDC
//! clients can validate JWT-SVIDs (OpenID Connect Discovery 1.0, sections 3 and 4).
//!
//! A source is polled for the authorities and writes what it finds into a watch; [`Handler`] answers requests from it, and
//! the health listener tells how long ago the source answered.

mod config;
mod discovery;
mod domains;
mod forwarded;
mod handler;
mod health;
mod keys;
mod provider;
mod respond;
mod source;
#[cfg(test)]
mod testing;

pub use config::{
    CertificateFilesConfig, HealthConfig, ListenerConfig, OidcConfig, OidcConfigError, SourceConfig, SourceKind, load,
};
pub use domains::{DomainError, Domains};
pub use handler::{Handler, HandlerConfig};
pub use provider::{Provider, ProviderError};
pub use source::{KeySet, Polled};
