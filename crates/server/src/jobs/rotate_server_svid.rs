//! Renews the server's own X.509-SVID at half of its life, or when an authority that it comes from was tainted.

use std::sync::Arc;
use std::time::Duration;

use steeple_audit::{Actor, Audit, EventKind, X509Issued};
use steeple_ca::{Issuers, SvidProfile, X509Issuer, X509Request};
use steeple_clock::Clock;
use steeple_crypto::digest::sha256;
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::taint::SeenTaints;
use steeple_crypto::tls::certified_key;
use steeple_crypto::x509::Certificate;
use steeple_runtime::Shutdown;
use steeple_types::{Bundle, TrustDomain};
use tokio::sync::watch;
use tonic::Code;
use tracing::{debug, error, info};

use crate::identity::ServerIdentity;
use crate::metrics::X509_SVID_SIGNED;
use crate::parts::CallMetrics;

const INTERVAL: Duration = Duration::from_secs(5);

/// What the server's own SVID is made of.
#[derive(Clone)]
pub(crate) struct Ingredients {
    pub(crate) trust_domain: TrustDomain,
    pub(crate) key_type: KeyType,
    pub(crate) ttl: Duration,
    pub(crate) issuers: Issuers,
    pub(crate) audit: Audit,
    pub(crate) metrics: Arc<dyn CallMetrics>,
    pub(crate) clock: Clock,
}

/// Issues the server's SVID.
pub(crate) async fn server_svid(from: &Ingredients) -> Result<ServerIdentity, String> {
    let began = from.clock.monotonic();
    let issued = issue(from).await;
    let code = if issued.is_ok() { Code::Ok } else { Code::Unknown };
    from.metrics.job("svid_rotate", &[], code, from.clock.monotonic().saturating_sub(began));
    issued
}

async fn issue(from: &Ingredients) -> Result<ServerIdentity, String> {
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
    let key_fingerprint = sha256(request.public_key.spki());
    let prepared = issuer.prepare(request, issued_at).map_err(|error| error.to_string())?;
    let svid = X509Issued {
        serial_number: prepared.serial_number().to_owned(),
        key_fingerprint,
        expires_at: prepared.expires_at(),
        issued_for: None,
    };
    let event = EventKind::X509SvidIssued { id: prepared.id().clone(), svid: Box::new(svid) };
    let intent = from.audit.record(issued_at, Actor::Server, event).await.map_err(|error| error.to_string())?;
    let svid = intent.outcome(prepared.sign().await).await.map_err(|error| error.to_string())?;
    from.metrics.count(X509_SVID_SIGNED, &[]);
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

/// What is tainted, as far as the server's own SVID is concerned.
#[derive(Default)]
struct Taints {
    seen: SeenTaints,
    /// The tainted authorities of the bundle.
    all: Vec<Certificate>,
    /// Whether the SVID comes from one of them.
    of_server: bool,
}

impl Taints {
    fn hear(&mut self, bundle: Option<&Bundle>, current: Option<&ServerIdentity>) {
        let authorities = bundle.map(|bundle| bundle.x509_authorities.as_slice()).unwrap_or_default();
        let news = self.seen.news(authorities);
        let tainted = authorities.iter().filter(|authority| authority.tainted);
        self.all = tainted.filter_map(|authority| Certificate::from_der(&authority.certificate).ok()).collect();
        if current.is_some_and(|current| current.comes_from(&news)) {
            info!(
                subsystem_name = "svid_rotator",
                "Server SVID signed using a tainted authority, forcing rotation of the Server SVID"
            );
            self.of_server = true;
        }
    }

    /// Whether the SVID is to be replaced before its time. An issuer that comes from a tainted authority too can't help: below
    /// an upstream authority, the server may still be on its way to another one.
    fn should_renew(&self, issuer: Option<&X509Issuer>) -> bool {
        self.of_server && issuer.is_some_and(|issuer| !issuer.comes_from(&self.all))
    }
}

/// Keeps the SVID in `identity` fresh; `own` is the bundle of the trust domain.
pub(crate) async fn rotate_server_svid(
    from: Ingredients,
    mut own: watch::Receiver<Option<Bundle>>,
    identity: watch::Sender<Option<Arc<ServerIdentity>>>,
    shutdown: Shutdown,
) -> Result<(), String> {
    let mut taints = Taints::default();
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
        let current = identity.borrow().clone();
        if bundle_changed {
            let bundle = own.borrow_and_update().clone();
            taints.hear(bundle.as_ref(), current.as_deref());
            continue;
        }
        next = from.clock.now() + INTERVAL;
        let is_due = current.is_none_or(|current| current.is_due(from.clock.now()));
        if !is_due && !taints.should_renew(from.issuers.x509.borrow().as_deref()) {
            continue;
        }
        match server_svid(&from).await {
            Ok(renewed) => {
                taints.of_server = renewed.comes_from(&taints.all);
                identity.send_replace(Some(Arc::new(renewed)));
            }
            Err(error) => error!(error, subsystem_name = "svid_rotator", "Could not rotate server SVID"),
        }
    }
    debug!(subsystem_name = "svid_rotator", "Stopping SVID rotator");
    Ok(())
}
