//! The CA engine: issuers that prepare and sign, authority slots, the pure rotation decision and its executor.
//!
//! An issuing operation prepares a credential, records it, and only then signs: [`X509Issuer::prepare`] yields a
//! [`PreparedX509`] that can be signed once.

mod journal;
mod jwt;
mod keeper;
pub mod rotation;
mod slot;
mod subject;
mod x509;

pub use journal::{Journal, StoredJournal, is_stale};
pub use jwt::{JwtIssuer, JwtRequest, JwtSvid, PreparedJwt};
pub use keeper::{
    AuthorityKind, AuthorityMetrics, AuthorityStore, CaConfig, Issuers, JwtKeyPublisher, Keeper, KeeperError,
    RequestError, StoreFailure,
};
pub use slot::{Authority, AuthorityState, AuthorityStates, Slot, SlotName, Slots, Status};
pub use subject::CaSubject;
pub use x509::{PreparedX509, SvidProfile, X509Issuer, X509Request, X509Svid};

/// Why a credential could not be prepared or signed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IssueError {
    /// The certificate could not be built.
    #[error(transparent)]
    X509(#[from] steeple_crypto::x509::X509Error),
    /// The key could not sign.
    #[error("unable to sign: {0}")]
    Sign(#[from] steeple_crypto::keys::KeyError),
    /// The authority has expired; nothing may be signed with it.
    #[error("the authority has expired")]
    Expired,
    /// A token without audience.
    #[error("at least one audience is required")]
    NoAudience,
}
