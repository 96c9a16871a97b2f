//! What a server had when it stopped.
//!
//! Its journal is the one whose active X.509 authority has a key in the key manager. An entry counts when its key is still
//! there and, unless an upstream authority vouches for it, its authority is still in the bundle.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use steeple_crypto::keys::Signer;
use steeple_crypto::x509::Certificate;
use steeple_plugin::KeyManager;
use steeple_proto::spire::journal::{JwtKeyEntry, X509caEntry};
use steeple_types::Bundle;
use tracing::{debug, info};

use super::jwt::JwtSlot;
use super::x509::X509Slot;
use super::{AuthorityStore, CaConfig, KeeperError};
use crate::journal::{Journal, slot_name, status};
use crate::slot::{Slot, SlotName, Slots};
use crate::{JwtIssuer, X509Issuer};

type Keys = HashMap<String, Arc<dyn Signer>>;

pub(super) struct Restored {
    pub(super) journal: Journal,
    pub(super) x509: Slots<X509Slot>,
    pub(super) jwt: Slots<JwtSlot>,
}

pub(super) async fn restore(
    config: &CaConfig,
    keys: &dyn KeyManager,
    has_upstream: bool,
    store: &dyn AuthorityStore,
    now: Timestamp,
) -> Result<Restored, KeeperError> {
    debug!(subsystem_name = "ca_manager", "Loading journal from datastore");
    let keys: Keys = keys.keys().await?.into_iter().map(|key| (key.id, key.signer)).collect();
    let ids: Vec<String> = keys.values().map(|signer| hex::encode(signer.public_key().subject_key_id())).collect();
    let found = store.journals().await?.into_iter().find(|journal| ids.contains(&journal.active_x509_authority_id));
    let mut journal = if let Some(stored) = &found {
        Journal::read(stored).map_err(|error| KeeperError::Journal(error.to_string()))?
    } else {
        info!(
            subsystem_name = "ca_manager",
            "There is not a CA journal record that matches any of the local X509 authority IDs"
        );
        Journal::default()
    };
    let bundle = store.bundle().await?;
    journal.retain(
        |entry| has_upstream || bundle.as_ref().is_some_and(|bundle| has_x509(bundle, entry)),
        |entry| bundle.as_ref().is_some_and(|bundle| bundle.jwt_authority(&entry.authority_id).is_some()),
    );
    info!(
        jwt_keys = journal.jwt().len(),
        subsystem_name = "ca_manager",
        wit_keys = 0,
        x509_cas = journal.x509().len(),
        "Journal loaded"
    );
    let x509 =
        latest(journal.x509(), |entry| &entry.slot_id).filter_map(|(name, entry)| x509_slot(name, entry, &keys, now));
    let jwt = latest(journal.jwt(), |entry| &entry.slot_id)
        .filter_map(|(name, entry)| jwt_slot(name, entry, &keys, now, config));
    Ok(Restored { x509: Slots::restore(x509), jwt: Slots::restore(jwt), journal })
}

/// The last entry of each slot.
fn latest<E>(entries: &[E], slot_of: impl Fn(&E) -> &String) -> impl Iterator<Item = (SlotName, &E)> {
    let find = move |name: SlotName| entries.iter().rev().find(|entry| slot_name(slot_of(entry)) == Some(name));
    [SlotName::A, SlotName::B]
        .into_iter()
        .filter_map(move |name| Some((name, find(name)?)))
        .collect::<Vec<_>>()
        .into_iter()
}

fn has_x509(bundle: &Bundle, entry: &X509caEntry) -> bool {
    bundle.x509_authorities.iter().any(|authority| authority.certificate == entry.certificate)
}

fn x509_slot(name: SlotName, entry: &X509caEntry, keys: &Keys, now: Timestamp) -> Option<Slot<X509Slot>> {
    let signer = keys.get(&super::x509::key_id(name))?;
    let certificate = Certificate::from_der(&entry.certificate).ok()?;
    if certificate.public_key() != signer.public_key() || certificate.not_after() <= now {
        return None;
    }
    let issuer = X509Issuer::new(Arc::clone(signer), &entry.certificate, entry.upstream_chain.clone()).ok()?;
    let authority = X509Slot {
        issuer: Arc::new(issuer),
        issued_at: Timestamp::from_second(entry.issued_at).ok()?,
        upstream_authority_id: entry.upstream_authority_id.clone(),
    };
    Some(Slot { name, status: status(entry.status())?, authority })
}

fn jwt_slot(
    name: SlotName,
    entry: &JwtKeyEntry,
    keys: &Keys,
    now: Timestamp,
    config: &CaConfig,
) -> Option<Slot<JwtSlot>> {
    let signer = keys.get(&super::jwt::key_id(name))?;
    let not_after = Timestamp::from_second(entry.not_after).ok()?;
    if signer.public_key().spki() != entry.public_key || not_after <= now {
        return None;
    }
    let issuer = JwtIssuer::new(Arc::clone(signer), entry.kid.clone(), not_after, config.jwt_issuer.clone());
    let authority = JwtSlot {
        issuer: Arc::new(issuer),
        key_id: entry.kid.clone(),
        issued_at: Timestamp::from_second(entry.issued_at).ok()?,
        not_after,
    };
    Some(Slot { name, status: status(entry.status())?, authority })
}
