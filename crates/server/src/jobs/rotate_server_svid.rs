//! Renews the server's own X.509-SVID at half of its life, or when an authority that it comes from was tainted.

use std::sync::Arc;
use std::time::Duration;

use steeple_audit::{Actor, Audit, EventKind};
use steeple_ca::{Issuers, SvidProfile, X509Request};
use steeple_clock::Clock;
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::taint::SeenTaints;
use steeple_crypto::tls::certified_key;
use steeple_runtime::Shutdown;
use steeple_types::{Bundle, TrustDomain};
use tokio::sync::watch;
use tracing::{debug, error, info};

use crate::identity::ServerIdentity;

const INTERVAL: Duration = Duration::from_secs(5);

/// What the server's own SVID is made of.
#[derive(Clone)]
pub(crate) struct Ingredients {
    pub(crate) trust_domain: TrustDomain,
    pub(crate) key_type: KeyType,
    pub(crate) ttl: Duration,
    pub(crate) issuers: Issuers,
    pub(crate) audit: Audit,
    pub(crate) clock: Clock,
}

/// Issues the server's SVID.
pub(crate) async fn server_svid(from: &Ingredients) -> Result<ServerIdentity, String> {
    debug!(subsystem_name = "svid_rotator", "Rotating server SVID");
    let kind = from.key_type;
    let key = tokio::task::spawn_blocking(move || PrivateKey::generate(kind)).await;
    let key = key.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let issuer = from.issuers.x509.borrow().clone().ok_or("X509 CA is not available for signing")?;
    let issued_at = from.clock.now();
    let request = X509Request {
        id: from.trust_domain.server_id(),
        public_key: key.public_key(),
        dns_names: &[],
        ttl: from.ttl,
        subject: None,
        profile: SvidProfile::Svid,
    };
    let prepared = issuer.prepare(request, issued_at).map_err(|error| error.to_string())?;
    let event = EventKind::X509SvidIssued {
        id: prepared.id().clone(),
        serial_number: prepared.serial_number().to_owned(),
        expires_at: prepared.expires_at(),
        entry_id: None,
    };
    from.audit.record(issued_at, Actor::Server, event).await.map_err(|error| error.to_string())?;
    let svid = prepared.sign().await.map_err(|error| error.to_string())?;
    let pkcs8 = key.to_pkcs8().map_err(|error| error.to_string())?;
    let key = certified_key(&svid.chain, &pkcs8).map_err(|error| error.to_string())?;
    debug!(
        expiration = %svid.expires_at,
        spiffe_id = %svid.id,
        subsystem_name = "svid_rotator",
        "Signed X509 SVID"
    );
    Ok(ServerIdentity { svid, issued_at, key })
}

/// Keeps the SVID in `identity` fresh; `own` is the bundle of the trust domain.
pub(crate) async fn rotate_server_svid(
    from: Ingredients,
    mut own: watch::Receiver<Option<Bundle>>,
    identity: watch::Sender<Option<Arc<ServerIdentity>>>,
    shutdown: Shutdown,
) -> Result<(), String> {
    let (mut seen, mut is_tainted) = (SeenTaints::default(), false);
    own.mark_changed();
    let mut next = from.clock.now() + INTERVAL;
    loop {
        let turn = async {
            tokio::select! {
                biased;
                Ok(()) = own.changed() => true,
                () = from.clock.sleep_until(next) => false,
            }
        };
        let Some(bundle_changed) = shutdown.until(turn).await else { break };
        if bundle_changed {
            let bundle = own.borrow_and_update().clone();
            let tainted = bundle.map(|bundle| seen.news(&bundle.x509_authorities)).unwrap_or_default();
            if identity.borrow().as_ref().is_some_and(|identity| identity.comes_from(&tainted)) {
                info!(
                    subsystem_name = "svid_rotator",
                    "Server SVID signed using a tainted authority, forcing rotation of the Server SVID"
                );
                is_tainted = true;
            }
            continue;
        }
        next = from.clock.now() + INTERVAL;
        if !is_tainted && identity.borrow().as_ref().is_some_and(|identity| !identity.is_due(from.clock.now())) {
            continue;
        }
        match server_svid(&from).await {
            Ok(renewed) => {
                identity.send_replace(Some(Arc::new(renewed)));
                is_tainted = false;
            }
            Err(error) => error!(error, subsystem_name = "svid_rotator", "Could not rotate server SVID"),
        }
    }
    debug!(subsystem_name = "svid_rotator", "Stopping SVID rotator");
    Ok(())
}
