//! What the machine has to know of a kind of authority.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use steeple_crypto::keys::{KeyType, Signer};

use super::means::Means;
use super::{CaConfig, KeeperError};
use crate::journal::JournalEntry;
use crate::slot::{Authority, SlotName};

/// The kinds of authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityKind {
    /// Sign X.509-SVIDs.
    X509,
    /// Sign JWT-SVIDs.
    Jwt,
}

impl AuthorityKind {
    /// The kind's name in audit events.
    pub fn name(self) -> &'static str {
        match self {
            Self::X509 => "x509",
            Self::Jwt => "jwt",
        }
    }

    /// The kind as texts for people have it.
    pub fn title(self) -> &'static str {
        match self {
            Self::X509 => "X.509",
            Self::Jwt => "JWT",
        }
    }
}

/// An authority that was made and that nobody knows yet.
pub(super) struct Made<K: Kind> {
    pub(super) authority: Authority<K::Issuer>,
    /// Its entry in the journal.
    pub(super) entry: K::Entry,
    /// What goes into the bundle for it.
    pub(super) publication: K::Publication,
}

/// A kind of authority.
#[async_trait]
pub(super) trait Kind: Sized + Send + Sync + 'static {
    /// Signs by an authority of the kind.
    type Issuer: Send + Sync + 'static;
    /// What the journal keeps of one.
    type Entry: JournalEntry + Send + Sync;
    /// What goes into the bundle for one.
    type Publication: Send;

    /// Which kind it is.
    const KIND: AuthorityKind;
    /// What log lines call an authority of the kind.
    const CALLED: &'static str;

    /// The key of the slot in the key manager.
    fn key_id(slot: SlotName) -> String;

    /// Which keys authorities of the kind have.
    fn key_type(config: &CaConfig) -> KeyType;

    /// Whether the kind is in use.
    fn is_enabled(config: &CaConfig) -> bool;

    /// Makes an authority of the key behind `signer`.
    async fn make(
        means: &Means,
        signer: Arc<dyn Signer>,
        slot: SlotName,
        issued_at: Timestamp,
    ) -> Result<Made<Self>, KeeperError>;

    /// Lets those who verify know of an authority.
    async fn publish(means: &mut Means, publication: Self::Publication) -> Result<(), KeeperError>;

    /// The authority of a journal's entry, if that is about the key behind `signer` and has not ended by `now`.
    fn restore(
        entry: &Self::Entry,
        signer: &Arc<dyn Signer>,
        config: &CaConfig,
        now: Timestamp,
    ) -> Option<Authority<Self::Issuer>>;

    /// Whether the authority was made by this server's own means, if its kind makes that a question.
    fn is_self_signed(_means: &Means) -> Option<bool> {
        None
    }

    /// An authority has begun to sign.
    fn activated(_authority: &Authority<Self::Issuer>, _means: &Means) {}
}
