//! What a server had when it stopped.
//!
//! Its journal is the one whose active X.509 authority has a key in the key manager. An entry counts when its key is still
//! there and, unless an upstream authority vouches for it, its authority is still in the bundle.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use steeple_crypto::keys::Signer;
use steeple_plugin::KeyManager;
use steeple_proto::spire::journal::{JwtKeyEntry, X509caEntry};
use steeple_types::Bundle;
use tracing::{debug, info};

use super::jwt::Jwt;
use super::kind::Kind;
use super::x509::X509;
use super::{AuthorityStore, CaConfig, KeeperError};
use crate::journal::{Journal, JournalEntry, slot_name, status};
use crate::slot::{Slot, SlotName, Slots};
use crate::{JwtIssuer, X509Issuer};

type Keys = HashMap<String, Arc<dyn Signer>>;

pub(super) struct Restored {
    pub(super) journal: Journal,
    pub(super) x509: Slots<X509Issuer>,
    pub(super) jwt: Slots<JwtIssuer>,
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
        debug!(
            ca_journal_id = stored.row,
            local_authority_id = stored.active_x509_authority_id,
            subsystem_name = "ca_manager",
            "Found a CA journal record that matches with a local X509 authority ID"
        );
        Journal::read(stored).map_err(|error| KeeperError::Journal(error.to_string()))?
    } else {
        info!(
            subsystem_name = "ca_manager",
            "There is not a CA journal record that matches any of the local X509 authority IDs"
        );
        Journal::default()
    };
    let bundle = store.bundle().await?;
    let bundle = bundle.as_ref();
    journal.retain(|entry: &X509caEntry| has_upstream || bundle.is_some_and(|bundle| has_x509(bundle, entry)));
    journal
        .retain(|entry: &JwtKeyEntry| bundle.is_some_and(|bundle| bundle.jwt_authority(&entry.authority_id).is_some()));
    info!(
        jwt_keys = journal.entries::<JwtKeyEntry>().len(),
        subsystem_name = "ca_manager",
        wit_keys = 0,
        x509_cas = journal.entries::<X509caEntry>().len(),
        "Journal loaded"
    );
    let x509 = slots::<X509>(&journal, &keys, config, now);
    let jwt = slots::<Jwt>(&journal, &keys, config, now);
    Ok(Restored { journal, x509, jwt })
}

/// The slots of a kind: of each the last entry, if its key is there.
fn slots<K: Kind>(journal: &Journal, keys: &Keys, config: &CaConfig, now: Timestamp) -> Slots<K::Issuer> {
    let entries: &[K::Entry] = journal.entries();
    let slot = |name: SlotName| {
        let entry = entries.iter().rev().find(|entry| slot_name(entry.slot_id()) == Some(name))?;
        let authority = K::restore(entry, keys.get(&K::key_id(name))?, config, now)?;
        Some(Slot { name, status: status(entry.marked())?, authority })
    };
    Slots::restore([SlotName::A, SlotName::B].into_iter().filter_map(slot))
}

fn has_x509(bundle: &Bundle, entry: &X509caEntry) -> bool {
    bundle.x509_authorities.iter().any(|authority| authority.certificate == entry.certificate)
}
