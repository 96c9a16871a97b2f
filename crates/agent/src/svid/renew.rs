//! Renewal of workloads' X.509-SVIDs: which are due, and how they are asked for.

use std::sync::Arc;

use jiff::Timestamp;
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::random;
use steeple_crypto::x509::{Certificate, Name, self_signed_csr};
use steeple_explain::Trouble;
use steeple_proto::spire::api::server::svid::v1 as pb;
use steeple_proto::spire::api::server::svid::v1::svid_client::SvidClient;
use steeple_telemetry::Metrics;
use steeple_types::{Entry, EntryId};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tracing::{debug, error, info, warn};

use super::cache::{Cache, X509Identity};
use super::rotation::Rotation;

/// Most SVIDs asked for in one call.
pub(crate) const BATCH: usize = 500;

/// How SVIDs are renewed.
#[derive(Clone, Copy)]
pub(crate) struct Renewal {
    /// Kind of workloads' keys.
    pub(crate) key_type: KeyType,
    /// When they are due.
    pub(crate) rotation: Rotation,
}

/// Renews what is due, `batch` SVIDs in a call: half as many after a call that failed, twice as many after one that did not.
/// What fails keeps its SVID as long as that is valid.
pub(crate) async fn renew_svids(
    channel: &Channel,
    cache: &Cache,
    metrics: &Metrics,
    how: Renewal,
    now: Timestamp,
    batch: &mut usize,
) -> Result<(), Status> {
    let mut rest = due(cache, metrics, how.rotation, now);
    if !rest.is_empty() {
        debug!(
            cache_type = "workload",
            count = rest.len(),
            limit = BATCH,
            subsystem_name = "manager",
            "Renewing stale entries"
        );
    }
    let mut refused = None;
    while !rest.is_empty() {
        let size = (*batch).clamp(1, BATCH).min(rest.len());
        let entries: Vec<Arc<Entry>> = rest.drain(..size).collect();
        let refuse = |id: &EntryId, text: &str| cache.refuse(id, Trouble { at: now, text: text.to_owned() });
        match renew(channel.clone(), &entries, how.key_type, refuse).await {
            Ok(renewed) => {
                if renewed.len() < entries.len() {
                    refused = Some(Status::unavailable("the server issued no SVID for some entries"));
                }
                for (id, svid) in &renewed {
                    tell_of_short_life(how.rotation, id, svid, &entries);
                }
                cache.put(renewed, now);
                *batch = size.saturating_mul(2).clamp(1, BATCH);
            }
            Err(status) => {
                *batch = (size / 2).max(1);
                return Err(status);
            }
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Why an SVID is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// There is none.
    Missing,
    /// Its entry has changed.
    Outdated,
    /// It comes from a tainted authority.
    Tainted,
    /// It is past about half of its life.
    Expiring,
}

/// The entries whose SVID is missing, out of date, tainted, or past about half of its life.
fn due(cache: &Cache, metrics: &Metrics, rotation: Rotation, now: Timestamp) -> Vec<Arc<Entry>> {
    let (snapshot, kept) = (cache.snapshot(), cache.kept());
    let cause = |entry: &Entry, svid: Option<&X509Identity>| {
        let Some(svid) = svid else { return Some(Cause::Missing) };
        if svid.revision_number != entry.revision_number || svid.created_at != entry.created_at {
            return Some(Cause::Outdated);
        }
        if cache.is_tainted(&entry.id) {
            return Some(Cause::Tainted);
        }
        rotation.is_due(svid.issued_at, svid.expires_at, now, random::fraction()).then_some(Cause::Expiring)
    };
    let (mut entries, mut causes) = (Vec::new(), Vec::new());
    for identity in snapshot.identities.values().filter(|identity| kept.contains(&identity.entry.id)) {
        if let Some(cause) = cause(&identity.entry, identity.svid.as_deref()) {
            tell(&identity.entry, identity.svid.as_deref());
            entries.push(Arc::clone(&identity.entry));
            causes.push(cause);
        }
    }
    let count = |wanted: Cause| causes.iter().filter(|cause| **cause == wanted).count();
    let (expiring_svids, outdated_svids) = (count(Cause::Expiring), count(Cause::Outdated));
    if expiring_svids > 0 {
        metrics.sample("cache_manager_expiring_svids", figure(expiring_svids));
        debug!(cache_type = "workload", expiring_svids, subsystem_name = "manager", "Updating expiring SVIDs in cache");
    }
    if outdated_svids > 0 {
        metrics.sample("cache_manager_outdated_svids", figure(outdated_svids));
        debug!(outdated_svids, subsystem_name = "cache_manager", "Updating SVIDs with outdated attributes in cache");
    }
    entries
}

#[expect(clippy::cast_precision_loss, reason = "a sample is a float")]
fn figure(count: usize) -> f64 {
    count as f64
}

fn tell(entry: &Entry, svid: Option<&X509Identity>) {
    let (entry_id, spiffe_id) = (&entry.id, &entry.spiffe_id);
    match svid {
        None => info!(%entry_id, %spiffe_id, subsystem_name = "manager", "Creating X509-SVID"),
        Some(svid) => {
            let expires_at = svid.expires_at;
            info!(%entry_id, %expires_at, %spiffe_id, subsystem_name = "manager", "Renewing X509-SVID");
        }
    }
}

/// Warns of an SVID that does not live long enough for the availability target.
fn tell_of_short_life(rotation: Rotation, entry_id: &EntryId, svid: &X509Identity, entries: &[Arc<Entry>]) {
    if rotation.misses_target(svid.issued_at, svid.expires_at) {
        let spiffe_id = entries.iter().find(|entry| entry.id == *entry_id).map(|entry| entry.spiffe_id.to_string());
        warn!(
            %entry_id,
            spiffe_id,
            subsystem_name = "manager",
            "X509 SVID lifetime isn't long enough to guarantee the availability_target, falling back to the default rotation \
             strategy"
        );
    }
}

async fn renew(
    channel: Channel,
    entries: &[Arc<Entry>],
    key_type: KeyType,
    refuse: impl Fn(&EntryId, &str),
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
            refuse(&entry.id, &status.message);
            continue;
        }
        let Some(identity) = result.svid.and_then(|svid| identity(svid.cert_chain, &key, entry)) else {
            error!(entry_id = %entry.id, "The server's answer holds no SVID for the entry and key");
            refuse(&entry.id, "its answer holds no SVID for the entry and key");
            continue;
        };
        renewed.push((entry.id.clone(), identity));
    }
    Ok(renewed)
}

/// What the server issued, if it is for the key and the entry.
fn identity(chain: Vec<Vec<u8>>, key: &PrivateKey, entry: &Entry) -> Option<X509Identity> {
    let leaf = Certificate::from_der(chain.first()?).ok()?;
    if leaf.public_key() != key.public_key() || leaf.spiffe_id().ok()? != entry.spiffe_id {
        return None;
    }
    Some(X509Identity {
        chain,
        key: key.to_pkcs8().ok()?,
        issued_at: leaf.not_before(),
        expires_at: leaf.not_after(),
        revision_number: entry.revision_number,
        created_at: entry.created_at,
    })
}
