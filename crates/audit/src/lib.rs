//! Audit events, recorded before the effect that they describe.
//!
//! Operations build an [`Event`] from what they prepared and call [`Audit::record`]; only when that has returned do they
//! take effect. A record that fails stops the effect.

mod canonical;
mod catalogue;
pub mod checkpoint;
mod fields;
pub mod folder;
mod key;
mod log;
pub mod merkle;
pub mod note;
mod ocsf;
pub mod record;
mod tail;
mod trail;
pub mod verify;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use steeple_types::{EntryId, SpiffeId, TrustDomain};

pub use log::LogRecorder;
pub use trail::{Trail, TrailError, TrailSettings, Writer};

/// Version of the catalogue of events.
pub const CATALOGUE: u32 = 1;

/// Something that is about to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Who asked for it.
    pub actor: Actor,
    /// What it is.
    pub kind: EventKind,
}

/// Who asks for a change or a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The server itself, by one of its jobs.
    Server,
    /// A process on the private socket.
    Local {
        /// Its user.
        uid: u32,
        /// Its PID; 0 when it is in a PID namespace that can't be seen into.
        pid: u32,
    },
    /// A party with an X.509-SVID.
    Svid(SpiffeId),
    /// A party without one.
    Anonymous,
}

/// What happens. Every state change and every credential has its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of kinds and fields say it")]
pub enum EventKind {
    EntryCreated { id: EntryId, spiffe_id: SpiffeId },
    EntryUpdated { id: EntryId },
    EntryDeleted { id: EntryId },
    AgentAttested { id: SpiffeId, attestation_type: String, serial_number: String },
    AgentRenewed { id: SpiffeId, serial_number: String },
    AgentSvidActivated { id: SpiffeId, serial_number: String },
    AgentBanned { id: SpiffeId },
    AgentDeleted { id: SpiffeId },
    AgentStatusPosted { id: SpiffeId, agent_version: String },
    JoinTokenCreated { agent_id: Option<SpiffeId>, expires_at: Timestamp },
    X509SvidIssued { id: SpiffeId, serial_number: String, expires_at: Timestamp, entry_id: Option<EntryId> },
    JwtSvidIssued { id: SpiffeId, jti: Option<String>, expires_at: Timestamp, entry_id: Option<EntryId> },
    BundleAppended { trust_domain: TrustDomain },
    BundleCreated { trust_domain: TrustDomain },
    BundleUpdated { trust_domain: TrustDomain },
    BundleSet { trust_domain: TrustDomain },
    BundleRefreshed { trust_domain: TrustDomain, sequence_number: u64 },
    BundleDeleted { trust_domain: TrustDomain },
    RelationshipCreated { trust_domain: TrustDomain },
    RelationshipUpdated { trust_domain: TrustDomain },
    RelationshipDeleted { trust_domain: TrustDomain },
    JwtKeyPublished { authority_id: String },
    AuthorityPrepared { kind: &'static str, authority_id: String },
    AuthorityActivated { kind: &'static str, authority_id: String },
    AuthorityTainted { kind: &'static str, authority_id: String },
    AuthorityRevoked { kind: &'static str, authority_id: String },
    LogLevelSet { level: String },
    Pruned { what: &'static str },
    ServerStarted { version: &'static str, configuration_digest: String },
    ServerStopped,
}

/// An event could not be recorded; what it describes must not happen.
#[derive(Debug, Clone, thiserror::Error)]
#[error("audit record could not be written: {0}")]
pub struct AuditError(pub String);

/// Records events durably.
#[async_trait]
pub trait Recorder: Send + Sync {
    /// Returns when the event is recorded as durably as this recorder records.
    ///
    /// # Errors
    /// [`AuditError`] when it is not.
    async fn record(&self, event: &Event) -> Result<(), AuditError>;

    /// Returns when all events are recorded as durably as this recorder records.
    ///
    /// # Errors
    /// [`AuditError`] when one is not.
    async fn record_all(&self, events: Vec<Event>) -> Result<(), AuditError> {
        for event in &events {
            self.record(event).await?;
        }
        Ok(())
    }
}

/// The handle by which operations record. Clones record to the same place.
#[derive(Clone)]
pub struct Audit(Arc<dyn Recorder>);

impl Audit {
    /// Records by `recorder`.
    pub fn new(recorder: Arc<dyn Recorder>) -> Self {
        Self(recorder)
    }

    /// Records that `actor` is about to do what `kind` says.
    ///
    /// # Errors
    /// [`AuditError`]; the caller must not go on then.
    pub async fn record(&self, at: Timestamp, actor: Actor, kind: EventKind) -> Result<(), AuditError> {
        self.0.record(&Event { at, actor, kind }).await
    }

    /// Records that all of `events` are about to happen.
    ///
    /// # Errors
    /// [`AuditError`]; the caller must not go on with any of them then.
    pub async fn record_all(&self, events: Vec<Event>) -> Result<(), AuditError> {
        self.0.record_all(events).await
    }
}
