//! Audit events, recorded before the effect that they describe.
//!
//! Operations build an [`Event`] from what they prepared and call [`Audit::record`]; only when that has returned do they
//! take effect. A record that fails stops the effect.

mod canonical;
mod catalogue;
pub mod checkpoint;
mod data;
pub mod export;
mod fields;
pub mod folder;
mod follow;
mod form;
pub mod holds;
mod keep;
mod key;
mod log;
pub mod merkle;
pub mod note;
mod observed;
mod ocsf;
pub mod record;
pub mod report;
mod retention;
mod tail;
mod tombstone;
mod trail;
pub mod verify;

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use steeple_clock::Clock;
use steeple_crypto::random;
use steeple_types::{Entry, EntryId, SelectorSet, SpiffeId, TrustDomain};

pub use follow::{Batch, Follower, Place};
pub use keep::{KeepSettings, Keeper};
pub use log::LogRecorder;
pub use observed::Observer;
pub use retention::Retention;
pub use tombstone::Tombstone;
pub use trail::{Trail, TrailError, TrailSettings, Writer};

/// Version of the catalogue of events.
pub const CATALOGUE: u32 = 1;

/// Something that is about to happen, or that did not happen after all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Who asked for it.
    pub actor: Actor,
    /// What it is.
    pub kind: EventKind,
    /// What an intent and the record of its failure have in common.
    pub correlation: u128,
    /// Why it did not happen, if it did not.
    pub failure: Option<String>,
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
    Svid {
        /// Its identity.
        id: SpiffeId,
        /// From where it called.
        address: Option<IpAddr>,
    },
    /// A party without one.
    Anonymous {
        /// From where it called.
        address: Option<IpAddr>,
    },
    /// A person with a token of an OIDC issuer.
    Token {
        /// Name of the issuer in the configuration.
        issuer: Arc<str>,
        /// The `sub`.
        user: Arc<str>,
        /// Who brought it.
        from: Box<Actor>,
    },
    /// A party whom a binding of scoped rights allows it.
    Bound {
        /// Who it is.
        actor: Box<Actor>,
        /// Name of the binding.
        by: Arc<str>,
    },
}

impl Actor {
    /// The same, whom the binding of this name allows it.
    #[must_use]
    pub fn authorized_by(self, binding: &str) -> Self {
        Self::Bound { actor: Box::new(self), by: Arc::from(binding) }
    }
}

/// For which entry something is issued, as it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedFor {
    /// The entry.
    pub entry_id: EntryId,
    /// How often it had been updated.
    pub revision_number: i64,
}

/// What happens. Every state change and every credential has its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of kinds and fields say it")]
pub enum EventKind {
    EntryCreated {
        entry: Box<Entry>,
    },
    EntryUpdated {
        entry: Box<Entry>,
        members: Vec<&'static str>,
    },
    EntryDeleted {
        id: EntryId,
    },
    AgentAttested {
        id: SpiffeId,
        svid: Box<AttestedSvid>,
    },
    AgentRenewed {
        id: SpiffeId,
        serial_number: String,
        expires_at: Timestamp,
    },
    AgentSvidActivated {
        id: SpiffeId,
        serial_number: String,
    },
    AgentBanned {
        id: SpiffeId,
    },
    AgentDeleted {
        id: SpiffeId,
    },
    AgentStatusPosted {
        id: SpiffeId,
        agent_version: String,
    },
    /// Of the entry that comes with it no more than the ID is told: its parent has the token in its name.
    JoinTokenCreated {
        agent_id: Option<SpiffeId>,
        entry_id: Option<EntryId>,
        expires_at: Timestamp,
    },
    X509SvidIssued {
        id: SpiffeId,
        svid: Box<X509Issued>,
    },
    JwtSvidIssued {
        id: SpiffeId,
        jti: Option<String>,
        expires_at: Timestamp,
        issued_for: Option<IssuedFor>,
    },
    BundleAppended {
        trust_domain: TrustDomain,
    },
    BundleCreated {
        trust_domain: TrustDomain,
    },
    BundleUpdated {
        trust_domain: TrustDomain,
    },
    BundleSet {
        trust_domain: TrustDomain,
    },
    BundleRefreshed {
        trust_domain: TrustDomain,
        sequence_number: u64,
    },
    /// `mode` is what becomes of the entries that federate with it: `RESTRICT`, `DELETE` or `DISSOCIATE`.
    BundleDeleted {
        trust_domain: TrustDomain,
        mode: &'static str,
    },
    RelationshipCreated {
        trust_domain: TrustDomain,
    },
    RelationshipUpdated {
        trust_domain: TrustDomain,
    },
    RelationshipDeleted {
        trust_domain: TrustDomain,
    },
    JwtKeyPublished {
        authority_id: String,
    },
    AuthorityPrepared {
        kind: &'static str,
        authority_id: String,
    },
    AuthorityActivated {
        kind: &'static str,
        authority_id: String,
    },
    AuthorityTainted {
        kind: &'static str,
        authority_id: String,
    },
    AuthorityRevoked {
        kind: &'static str,
        authority_id: String,
    },
    /// `count` calls of one caller, or items of them, the first of them at the event's time.
    CallDenied {
        method: &'static str,
        reason: String,
        count: u64,
    },
    BindingCreated {
        name: String,
        role: &'static str,
        subjects: String,
        reason: String,
    },
    BindingDeleted {
        name: String,
    },
    ApprovalRequested {
        id: String,
        method: &'static str,
    },
    ApprovalGiven {
        id: String,
        method: &'static str,
    },
    BreakGlassUsed {
        name: String,
        reason: String,
        method: &'static str,
    },
    LogLevelSet {
        level: String,
    },
    Pruned {
        what: &'static str,
    },
    /// Records of the trail itself are taken away.
    TrailPruned {
        tombstone: Box<Tombstone>,
    },
    HoldSet {
        name: String,
        reason: String,
    },
    HoldReleased {
        name: String,
        reason: String,
    },
    ServerStarted {
        version: &'static str,
        configuration_digest: String,
    },
    ServerStopped,
}

/// How an agent attested, and the SVID that it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of fields say it")]
pub struct AttestedSvid {
    pub attestation_type: String,
    pub serial_number: String,
    pub expires_at: Timestamp,
    pub selectors: SelectorSet,
    pub can_reattest: bool,
}

/// An X.509-SVID that is issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct X509Issued {
    /// Its serial number, in decimal digits.
    pub serial_number: String,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub key_fingerprint: [u8; 32],
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// For which entry, if it is for one.
    pub issued_for: Option<IssuedFor>,
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
    async fn record_all(&self, events: &[Event]) -> Result<(), AuditError> {
        for event in events {
            self.record(event).await?;
        }
        Ok(())
    }
}

/// What was recorded before its effect.
#[derive(Clone)]
pub struct Intent {
    audit: Audit,
    event: Event,
}

impl Intent {
    /// Records the failure if the effect has failed, and hands its result on.
    ///
    /// # Errors
    /// That of the effect.
    pub async fn outcome<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> Result<T, E> {
        let reason = result.as_ref().err().map(ToString::to_string);
        if let Some(reason) = reason {
            self.failed(&reason).await;
        }
        result
    }

    /// Records that what was intended has not happened. When even that can't be recorded, the log tells it: there is a record of
    /// something that did not happen then, never the other way round.
    pub async fn failed(&self, reason: &str) {
        let event = Event { failure: Some(reason.to_owned()), ..self.event.clone() };
        if let Err(error) = self.audit.0.record(&event).await {
            tracing::warn!(%error, event = fields::name(&event.kind), reason, "A failure is not in the audit trail");
        }
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

    /// The same, whose outcomes `observer` is told.
    #[must_use]
    pub fn observed(&self, observer: Arc<Observer>, clock: Clock) -> Self {
        Self(Arc::new(observed::Observed { recorder: Arc::clone(&self.0), observer, clock }))
    }

    /// Records that `actor` is about to do what `kind` says. By what is returned, it is told if it comes to nothing.
    ///
    /// # Errors
    /// [`AuditError`]; the caller must not go on then.
    pub async fn record(&self, at: Timestamp, actor: Actor, kind: EventKind) -> Result<Intent, AuditError> {
        let event = event(at, actor, kind)?;
        self.0.record(&event).await?;
        Ok(Intent { audit: self.clone(), event })
    }

    /// Records that `actor` is about to do all that `kinds` say, which becomes durable at once; yields an intent for each, in order.
    ///
    /// # Errors
    /// [`AuditError`]; the caller must not go on with any of them then.
    pub async fn record_all(
        &self,
        at: Timestamp,
        actor: &Actor,
        kinds: Vec<EventKind>,
    ) -> Result<Vec<Intent>, AuditError> {
        let events = kinds.into_iter().map(|kind| event(at, actor.clone(), kind));
        let events = events.collect::<Result<Vec<_>, _>>()?;
        if !events.is_empty() {
            self.0.record_all(&events).await?;
        }
        Ok(events.into_iter().map(|event| Intent { audit: self.clone(), event }).collect())
    }
}

fn event(at: Timestamp, actor: Actor, kind: EventKind) -> Result<Event, AuditError> {
    let correlation = u128::from_be_bytes(random::bytes().map_err(|error| AuditError(error.to_string()))?);
    Ok(Event { at, actor, kind, correlation, failure: None })
}
