//! Renewal of workloads' X.509-SVIDs: which are due, and how they are asked for.

use std::sync::Arc;

use jiff::Timestamp;
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::random;
use steeple_crypto::x509::{Certificate, Name, self_signed_csr};
use steeple_proto::spire::api::server::svid::v1 as pb;
use steeple_proto::spire::api::server::svid::v1::svid_client::SvidClient;
use steeple_types::{Entry, EntryId};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tracing::{debug, error};

use super::cache::{Cache, X509Identity};

/// Most SVIDs asked for in one call.
const BATCH: usize = 500;

/// Renews what is due. What fails keeps its SVID as long as that is valid.
pub(crate) async fn renew_svids(
    channel: &Channel,
    cache: &Cache,
    key_type: KeyType,
    now: Timestamp,
) -> Result<(), Status> {
    let due = due(cache, now);
    // SVIDs that have expired go even when nothing can be renewed.
    cache.put(Vec::new(), now);
    for batch in due.chunks(BATCH) {
        let renewed = renew(channel.clone(), batch, key_type, now).await?;
        cache.put(renewed, now);
    }
    Ok(())
}

/// The entries whose SVID is missing, out of date, or past about half of its life.
fn due(cache: &Cache, now: Timestamp) -> Vec<Arc<Entry>> {
    let (snapshot, kept) = (cache.snapshot(), cache.kept());
    let is_due = |entry: &Entry, svid: Option<&X509Identity>| {
        let Some(svid) = svid else {
            debug!(entry_id = %entry.id, spiffe_id = %entry.spiffe_id, subsystem_name = "cache_manager", "Creating X509-SVID");
            return true;
        };
        let changed = svid.revision_number != entry.revision_number || svid.created_at != entry.created_at;
        changed || past_half(svid, now, random::fraction())
    };
    let candidates = snapshot.identities.values().filter(|identity| kept.contains(&identity.entry.id));
    candidates
        .filter(|identity| is_due(&identity.entry, identity.svid.as_deref()))
        .map(|identity| Arc::clone(&identity.entry))
        .collect()
}

/// Whether half of the life is over, give or take a tenth of it, so that a fleet does not renew at once.
fn past_half(svid: &X509Identity, now: Timestamp, random: f64) -> bool {
    let lifetime = svid.expires_at.duration_since(svid.issued_at).as_secs_f64();
    let left = svid.expires_at.duration_since(now).as_secs_f64();
    left <= lifetime * (0.45 + 0.1 * random)
}

async fn renew(
    channel: Channel,
    entries: &[Arc<Entry>],
    key_type: KeyType,
    now: Timestamp,
) -> Result<Vec<(EntryId, X509Identity)>, Status> {
    let mut keys = Vec::with_capacity(entries.len());
    let mut params = Vec::with_capacity(entries.len());
    for entry in entries {
        let failed = |error: &dyn std::fmt::Display| Status::internal(format!("failed to create CSR: {error}"));
        let key = PrivateKey::generate(key_type).map_err(|error| failed(&error))?;
        let uris = [entry.spiffe_id.as_str().to_owned()];
        let csr = self_signed_csr(&key, &Name::of("US", "SPIRE"), &uris, &[]).map_err(|error| failed(&error))?;
        params.push(pb::NewX509svidParams { entry_id: entry.id.to_string(), csr });
        keys.push(key);
    }
    let answer = SvidClient::new(channel).batch_new_x509svid(pb::BatchNewX509svidRequest { params }).await?;
    let mut renewed = Vec::with_capacity(entries.len());
    for ((entry, key), result) in entries.iter().zip(keys).zip(answer.into_inner().results) {
        let status = result.status.unwrap_or_default();
        if status.code != i32::from(Code::Ok) {
            error!(entry_id = %entry.id, status_code = status.code, status_message = status.message, "Failed to fetch SVID");
            continue;
        }
        let Some(identity) = result.svid.and_then(|svid| identity(svid.cert_chain, &key, entry, now)) else {
            error!(entry_id = %entry.id, "The server's answer holds no SVID for the entry and key");
            continue;
        };
        renewed.push((entry.id.clone(), identity));
    }
    Ok(renewed)
}

/// What the server issued, if it is for the key and the entry.
fn identity(chain: Vec<Vec<u8>>, key: &PrivateKey, entry: &Entry, now: Timestamp) -> Option<X509Identity> {
    let leaf = Certificate::from_der(chain.first()?).ok()?;
    if leaf.public_key() != key.public_key() || leaf.spiffe_id().ok()? != entry.spiffe_id {
        return None;
    }
    Some(X509Identity {
        chain,
        key: key.to_pkcs8().ok()?,
        issued_at: leaf.not_before().max(now - std::time::Duration::from_mins(1)),
        expires_at: leaf.not_after(),
        revision_number: entry.revision_number,
        created_at: entry.created_at,
    })
}
