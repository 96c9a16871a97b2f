//! JWT authorities in their slots.

use std::sync::Arc;

use jiff::Timestamp;
use steeple_crypto::random;
use steeple_plugin::JwtKeyPublication;
use steeple_proto::spire::journal::JwtKeyEntry;
use steeple_types::JwtAuthority;
use tracing::{debug, info};

use super::{Keeper, KeeperError, logged};
use crate::journal::stored;
use crate::slot::{Authority, SlotName, Status};
use crate::{IssueError, JwtIssuer};

/// Length of a `kid` that is made here.
const KEY_ID_LENGTH: usize = 32;

/// A JWT authority.
#[derive(Clone)]
pub(crate) struct JwtSlot {
    pub(crate) issuer: Arc<JwtIssuer>,
    pub(crate) key_id: String,
    pub(crate) issued_at: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Authority for JwtSlot {
    fn id(&self) -> String {
        self.key_id.clone()
    }

    fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

pub(crate) fn key_id(slot: SlotName) -> String {
    format!("JWT-Signer-{}", slot.as_str())
}

impl Keeper {
    pub(super) async fn prepare_jwt(&mut self) -> Result<(), KeeperError> {
        let slot = self.jwt.free_name();
        debug!(slot = slot.as_str(), subsystem_name = "ca_manager", "Preparing JWT key");
        let issued_at = self.clock.now();
        let not_after = issued_at + self.config.ca_ttl;
        let key = self.keys.generate_key(&key_id(slot), self.config.jwt_key_type).await?;
        let kid = random::alphanumeric(KEY_ID_LENGTH).map_err(|error| IssueError::X509(error.into()))?;
        let authority = JwtAuthority {
            key_id: kid.clone(),
            public_key: key.signer.public_key().spki().to_vec(),
            expires_at: Some(not_after),
            tainted: false,
        };
        let public_key = authority.public_key.clone();
        self.publish_jwt(authority).await?;
        self.journal.add_jwt(JwtKeyEntry {
            slot_id: slot.as_str().to_owned(),
            issued_at: issued_at.as_second(),
            not_after: not_after.as_second(),
            kid: kid.clone(),
            public_key,
            status: stored(Status::Prepared).into(),
            authority_id: kid.clone(),
        });
        self.store_journal().await?;
        info!(
            expiration = logged(not_after),
            issued_at = logged(issued_at),
            local_authority_id = kid,
            slot = slot.as_str(),
            subsystem_name = "ca_manager",
            "JWT key prepared"
        );
        let issuer = JwtIssuer::new(key.signer, kid.clone(), not_after, self.config.jwt_issuer.clone());
        self.jwt.prepared(JwtSlot { issuer: Arc::new(issuer), key_id: kid, issued_at, not_after });
        Ok(())
    }

    async fn publish_jwt(&self, authority: JwtAuthority) -> Result<(), KeeperError> {
        let mut keys = vec![authority.clone()];
        if let Some(upstream) = &self.upstream
            && let JwtKeyPublication::Published(all) = upstream.publish_jwt_key(&authority).await?
        {
            keys = all;
        }
        self.store.publish(Vec::new(), keys).await?;
        Ok(())
    }

    pub(super) async fn activate_jwt(&mut self) -> Result<(), KeeperError> {
        let Some(waiting) = self.jwt.waiting().map(|slot| slot.authority.id()) else { return Ok(()) };
        self.store.record_activation("jwt", &waiting).await?;
        if let Some(active) = &self.jwt.active {
            self.journal.mark_jwt(&active.authority.id(), Status::Old);
        }
        self.journal.mark_jwt(&waiting, Status::Active);
        let Some(slot) = self.jwt.activate() else { return Ok(()) };
        let authority = &slot.authority;
        info!(
            expiration = logged(authority.not_after),
            issued_at = logged(authority.issued_at),
            local_authority_id = authority.key_id,
            slot = slot.name.as_str(),
            subsystem_name = "ca_manager",
            "JWT key activated"
        );
        self.store_journal().await?;
        self.announce_jwt();
        Ok(())
    }

    pub(super) fn announce_jwt(&self) {
        let issuer = self.jwt.active.as_ref().filter(|_| self.config.jwt_enabled);
        self.jwt_issuer.send_replace(issuer.map(|slot| Arc::clone(&slot.authority.issuer)));
    }
}
