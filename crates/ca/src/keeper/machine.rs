//! The life of the authorities of one kind: prepared, active, old. What it is that lives, the [`Kind`] knows.

use std::sync::Arc;

use steeple_audit::{Actor, EventKind};
use tokio::sync::watch;
use tracing::{debug, info};

use super::KeeperError;
use super::kind::Kind;
use super::means::{Means, logged};
use crate::rotation::{Action, decide};
use crate::slot::{AuthorityStates, Slot, Slots, Status};

/// The authorities of one kind.
pub(super) struct Machine<K: Kind> {
    slots: Slots<K::Issuer>,
    issuer: watch::Sender<Option<Arc<K::Issuer>>>,
    states: watch::Sender<AuthorityStates>,
}

impl<K: Kind> Machine<K> {
    /// Goes on with what was restored.
    pub(super) fn new(slots: Slots<K::Issuer>, means: &Means) -> Self {
        let machine = Self { slots, issuer: watch::Sender::new(None), states: watch::Sender::default() };
        if let Some(active) = &machine.slots.active {
            tell_active::<K>(active, means);
        }
        machine.announce(means);
        machine
    }

    pub(super) fn issuer(&self) -> watch::Receiver<Option<Arc<K::Issuer>>> {
        self.issuer.subscribe()
    }

    pub(super) fn states(&self) -> watch::Receiver<AuthorityStates> {
        self.states.subscribe()
    }

    /// Who signs, if anybody does.
    pub(super) fn active(&self) -> Option<&Arc<K::Issuer>> {
        self.slots.active.as_ref().map(|slot| &slot.authority.issuer)
    }

    /// Who is prepared, if anybody is.
    pub(super) fn waiting(&self) -> Option<&Arc<K::Issuer>> {
        self.slots.waiting().map(|slot| &slot.authority.issuer)
    }

    /// Whether nobody signs.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.active.is_none()
    }

    /// Does what is due.
    pub(super) async fn step(&mut self, means: &mut Means) -> Result<(), KeeperError> {
        for action in decide(&self.slots, means.clock.now()) {
            match action {
                Action::Prepare => self.prepare(means, &Actor::Server).await?,
                Action::Activate => self.activate(means, &Actor::Server).await?,
            }
        }
        Ok(())
    }

    /// Makes an authority in the free slot and publishes it. One that was prepared there already is given up; it stays in the
    /// bundle until it ends.
    pub(super) async fn prepare(&mut self, means: &mut Means, by: &Actor) -> Result<(), KeeperError> {
        let began = means.clock.monotonic();
        let prepared = self.fill_free_slot(means, by).await;
        let elapsed = means.clock.monotonic().saturating_sub(began);
        means.metrics.prepared(K::KIND, prepared.as_ref().copied(), elapsed);
        prepared
    }

    async fn fill_free_slot(&mut self, means: &mut Means, by: &Actor) -> Result<(), KeeperError> {
        let slot = self.slots.free_name();
        debug!(slot = slot.as_str(), subsystem_name = "ca_manager", "Preparing {}", K::CALLED);
        self.slots.give_up_prepared();
        self.announce(means);
        let issued_at = means.clock.now();
        let key = means.keys.generate_key(&K::key_id(slot), K::key_type(&means.config)).await?;
        let made = K::make(means, key.signer, slot, issued_at).await?;
        let authority = made.authority;
        let event = |kind, authority_id| EventKind::AuthorityPrepared { kind, authority_id };
        let intent = means.record(by, event, K::KIND, &authority.id).await?;
        intent.outcome(K::publish(means, made.publication).await).await?;
        let journal = means.journal_with::<K>(made.entry);
        intent.outcome(means.keep(journal).await).await?;
        info!(
            expiration = logged(authority.not_after),
            issued_at = logged(authority.issued_at),
            local_authority_id = authority.id,
            self_signed = K::is_self_signed(means),
            slot = slot.as_str(),
            subsystem_name = "ca_manager",
            upstream_authority_id = authority.upstream_authority_id,
            "{} prepared",
            K::CALLED
        );
        self.slots.prepared(authority);
        self.announce(means);
        Ok(())
    }

    /// Lets the prepared authority sign, if there is one; the one that signed becomes old.
    pub(super) async fn activate(&mut self, means: &mut Means, by: &Actor) -> Result<(), KeeperError> {
        let Some(waiting) = self.slots.waiting().map(|slot| slot.authority.id.clone()) else { return Ok(()) };
        let event = |kind, authority_id| EventKind::AuthorityActivated { kind, authority_id };
        let intent = means.record(by, event, K::KIND, &waiting).await?;
        let mut journal = means.journal.clone();
        if let Some(active) = &self.slots.active {
            journal.mark::<K::Entry>(&active.authority.id, Status::Old);
        }
        journal.mark::<K::Entry>(&waiting, Status::Active);
        intent.outcome(means.keep(journal).await).await?;
        if let Some(active) = self.slots.activate() {
            tell_active::<K>(active, means);
        }
        self.announce(means);
        Ok(())
    }

    /// Tells who signs now, and what is in the slots.
    fn announce(&self, means: &Means) {
        let issuer = self.active().filter(|_| K::is_enabled(&means.config)).cloned();
        self.issuer.send_if_modified(|known| {
            let changed = match (&*known, &issuer) {
                (Some(known), Some(issuer)) => !Arc::ptr_eq(known, issuer),
                (known, issuer) => known.is_some() || issuer.is_some(),
            };
            *known = issuer;
            changed
        });
        self.states.send_replace(self.slots.states());
    }
}

fn tell_active<K: Kind>(slot: &Slot<K::Issuer>, means: &Means) {
    let authority = &slot.authority;
    info!(
        expiration = logged(authority.not_after),
        issued_at = logged(authority.issued_at),
        local_authority_id = authority.id,
        slot = slot.name.as_str(),
        subsystem_name = "ca_manager",
        upstream_authority_id = authority.upstream_authority_id,
        "{} activated",
        K::CALLED
    );
    means.metrics.activated(K::KIND, authority.not_after);
    K::activated(authority, means);
}
