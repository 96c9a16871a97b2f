//! JWT authorities: keys, published in the bundle or by the upstream authority.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use steeple_crypto::keys::{KeyType, Signer};
use steeple_crypto::random;
use steeple_proto::spire::journal::JwtKeyEntry;
use steeple_types::JwtAuthority;

use super::kind::{AuthorityKind, Kind, Made};
use super::means::Means;
use super::{CaConfig, KeeperError};
use crate::journal::stored;
use crate::slot::{Authority, SlotName, Status};
use crate::{IssueError, JwtIssuer};

/// Length of a `kid` that is made here.
const KEY_ID_LENGTH: usize = 32;
/// The JWT authorities.
pub(super) struct Jwt;

#[async_trait]
impl Kind for Jwt {
    type Issuer = JwtIssuer;
    type Entry = JwtKeyEntry;
    type Publication = JwtAuthority;

    const KIND: AuthorityKind = AuthorityKind::Jwt;
    const CALLED: &'static str = "JWT key";

    fn key_id(slot: SlotName) -> String {
        format!("JWT-Signer-{}", slot.as_str())
    }

    fn key_type(config: &CaConfig) -> KeyType {
        config.jwt_key_type
    }

    fn is_enabled(config: &CaConfig) -> bool {
        config.jwt_enabled
    }

    async fn make(
        means: &Means,
        signer: Arc<dyn Signer>,
        slot: SlotName,
        issued_at: Timestamp,
    ) -> Result<Made<Self>, KeeperError> {
        let not_after = issued_at + means.config.ca_ttl;
        let kid = random::alphanumeric(KEY_ID_LENGTH).map_err(|error| IssueError::X509(error.into()))?;
        let publication = JwtAuthority {
            key_id: kid.clone(),
            public_key: signer.public_key().spki().to_vec(),
            expires_at: Some(not_after),
            tainted: false,
        };
        let entry = JwtKeyEntry {
            slot_id: slot.as_str().to_owned(),
            issued_at: issued_at.as_second(),
            not_after: not_after.as_second(),
            kid: kid.clone(),
            public_key: publication.public_key.clone(),
            status: stored(Status::Prepared).into(),
            authority_id: kid.clone(),
        };
        let issuer = Arc::new(JwtIssuer::new(signer, kid.clone(), not_after, means.config.jwt_issuer.clone()));
        let authority = Authority { issuer, id: kid, issued_at, not_after, upstream_authority_id: None };
        Ok(Made { authority, entry, publication })
    }

    async fn publish(means: &mut Means, authority: JwtAuthority) -> Result<(), KeeperError> {
        means.jwt_keys.publish(authority).await?;
        Ok(())
    }

    fn restore(
        entry: &JwtKeyEntry,
        signer: &Arc<dyn Signer>,
        config: &CaConfig,
        now: Timestamp,
    ) -> Option<Authority<JwtIssuer>> {
        let not_after = Timestamp::from_second(entry.not_after).ok()?;
        if signer.public_key().spki() != entry.public_key || not_after <= now {
            return None;
        }
        let issuer = JwtIssuer::new(Arc::clone(signer), entry.kid.clone(), not_after, config.jwt_issuer.clone());
        Some(Authority {
            issuer: Arc::new(issuer),
            id: entry.kid.clone(),
            issued_at: Timestamp::from_second(entry.issued_at).ok()?,
            not_after,
            upstream_authority_id: None,
        })
    }
}
