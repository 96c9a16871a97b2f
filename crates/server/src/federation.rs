//! Federation with other trust domains: whose bundles are fetched from where, and what becomes of what is fetched
//! (SPIFFE Federation, sections 4.2 and 6.2; `docs/adr/0008-federated-bundles-never-go-backwards.md`).

mod fetch;
pub(crate) mod interval;
mod origin;

use std::collections::BTreeMap;
use std::sync::Arc;

use steeple_audit::{Actor, Audit, EventKind};
use steeple_clock::Clock;
use steeple_crypto::tls::KeyExchange;
use steeple_store::units::{RefreshBundle, Refreshed};
use steeple_store::{Page, Store, StoreError};
use steeple_types::{Bundle, EndpointProfile, FederationRelationship, Revision, TrustDomain};

use crate::bundle_endpoint::BundleEndpointSettings;
use crate::core::Settings;

pub(crate) use fetch::FetchError;

/// With whom a server federates, and how others learn its own bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FederationSettings {
    /// Where the own bundle is served, if it is.
    pub bundle_endpoint: Option<BundleEndpointSettings>,
    /// Relationships of the configuration, which outweigh those of the datastore.
    pub federates_with: Vec<FederationRelationship>,
}

/// Relationships by trust domain.
pub(crate) type Relationships = BTreeMap<TrustDomain, FederationRelationship>;

/// Why the bundle of another trust domain could not be brought up to date; the texts are SPIRE's where it has them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefreshError {
    #[error("failed to fetch local federated bundle: {0}")]
    Known(StoreError),
    #[error("can't perform SPIFFE Authentication: local copy of bundle not found")]
    NoEndpointBundle,
    #[error("failed to fetch federated bundle from endpoint: {0}")]
    Fetch(#[from] FetchError),
    #[error(
        "fetched bundle is older than the stored one: sequence number {fetched} is lower than {known}; if the trust domain has \
         begun anew, delete the bundle or set it by hand"
    )]
    Older { fetched: u64, known: u64 },
    #[error("failed to record the change: {0}")]
    Audit(#[from] steeple_audit::AuditError),
    #[error("failed to store fetched federated bundle: {0}")]
    Store(StoreError),
}

/// An attempt to bring a bundle up to date.
pub(crate) struct Attempt {
    /// The refresh hint of the bundle that is known now, in seconds; `None` when none is known.
    pub(crate) refresh_hint: Option<i64>,
    /// Whether the bundle has changed.
    pub(crate) outcome: Result<bool, RefreshError>,
}

/// What is known of a relationship before its endpoint is asked.
struct Known {
    bundle: Option<Bundle>,
    /// That of the endpoint's own trust domain, where the endpoint shows an X.509-SVID.
    endpoint: Option<Bundle>,
}

/// Who fetches bundles of other trust domains. Clones are the same.
#[derive(Clone)]
pub(crate) struct Federation {
    own: TrustDomain,
    configured: Arc<Relationships>,
    exchange: KeyExchange,
    store: Store,
    audit: Audit,
    clock: Clock,
}

impl Federation {
    pub(crate) fn new(settings: &Settings, store: &Store, audit: &Audit, clock: &Clock) -> Self {
        let configured = &settings.federation.federates_with;
        let configured = configured.iter().map(|one| (one.trust_domain.clone(), one.clone())).collect();
        let (store, audit, clock) = (store.clone(), audit.clone(), clock.clone());
        let (own, exchange) = (settings.trust_domain.clone(), settings.key_exchange);
        Self { own, configured: Arc::new(configured), exchange, store, audit, clock }
    }

    /// All relationships, and the revision of the datastore at which they are so. Those of the configuration outweigh those
    /// of the datastore.
    pub(crate) async fn relationships(&self) -> Result<(Relationships, Revision), StoreError> {
        let listed = self.store.read("federation_relationship.list", |tx| {
            let revision = tx.last_revision()?;
            Ok((tx.relationships(&Page::default())?.items, revision))
        });
        let (listed, revision) = listed.await?;
        let mut relationships: Relationships = listed.into_iter().map(|one| (one.trust_domain.clone(), one)).collect();
        // The own bundle is nobody else's to say, whoever wrote such a row.
        relationships.remove(&self.own);
        relationships.extend(self.configured.iter().map(|(name, one)| (name.clone(), one.clone())));
        Ok((relationships, revision))
    }

    /// The relationship with `trust_domain`, if there is one.
    pub(crate) async fn relationship(
        &self,
        trust_domain: &TrustDomain,
    ) -> Result<Option<FederationRelationship>, StoreError> {
        if let Some(configured) = self.configured.get(trust_domain) {
            return Ok(Some(configured.clone()));
        }
        if *trust_domain == self.own {
            return Ok(None);
        }
        let trust_domain = trust_domain.clone();
        self.store.read("federation_relationship.fetch", move |tx| tx.relationship(&trust_domain)).await
    }

    /// Fetches the bundle of the other trust domain, and stores it unless it says what is known.
    pub(crate) async fn refresh(&self, relationship: &FederationRelationship, actor: Actor) -> Attempt {
        let known = match self.known(relationship).await {
            Ok(known) => known,
            Err(error) => return Attempt { refresh_hint: None, outcome: Err(RefreshError::Known(error)) },
        };
        let hint_before = known.bundle.as_ref().map(|bundle| bundle.refresh_hint);
        match self.take(relationship, known, actor).await {
            Ok((fetched, changed)) => Attempt { refresh_hint: Some(fetched.refresh_hint), outcome: Ok(changed) },
            Err(error) => Attempt { refresh_hint: hint_before, outcome: Err(error) },
        }
    }

    async fn known(&self, relationship: &FederationRelationship) -> Result<Known, StoreError> {
        let trust_domain = relationship.trust_domain.clone();
        let endpoint = match &relationship.profile {
            EndpointProfile::HttpsWeb => None,
            EndpointProfile::HttpsSpiffe { endpoint_spiffe_id } => Some(endpoint_spiffe_id.trust_domain()),
        };
        let known = self.store.read("bundle.fetch", move |tx| {
            let bundle = tx.bundle(&trust_domain)?;
            let endpoint = match endpoint {
                Some(endpoint) if endpoint == trust_domain => bundle.clone(),
                Some(endpoint) => tx.bundle(&endpoint)?,
                None => None,
            };
            Ok(Known { bundle, endpoint })
        });
        known.await
    }

    /// Fetches the bundle and takes it over; tells whether it has changed.
    async fn take(
        &self,
        relationship: &FederationRelationship,
        known: Known,
        actor: Actor,
    ) -> Result<(Bundle, bool), RefreshError> {
        let is_spiffe = matches!(relationship.profile, EndpointProfile::HttpsSpiffe { .. });
        if is_spiffe && known.endpoint.is_none() {
            return Err(RefreshError::NoEndpointBundle);
        }
        let fetched = fetch::fetch(relationship, known.endpoint, self.exchange, &self.clock).await?;
        let (trust_domain, sequence_number) = (fetched.trust_domain.clone(), fetched.sequence_number);
        let unit = RefreshBundle { bundle: fetched.clone() };
        let mut refreshed = unit.against(known.bundle.as_ref());
        if refreshed == Refreshed::Stored {
            let event = EventKind::BundleRefreshed { trust_domain, sequence_number };
            let intent = self.audit.record(self.clock.now(), actor, event).await?;
            let written = intent.outcome(self.store.write(unit).await).await;
            refreshed = written.map_err(RefreshError::Store)?.value;
            if refreshed != Refreshed::Stored {
                intent.failed("another server was quicker").await;
            }
        }
        match refreshed {
            Refreshed::Stored => Ok((fetched, true)),
            Refreshed::Unchanged => Ok((fetched, false)),
            Refreshed::Older { known } => Err(RefreshError::Older { fetched: sequence_number, known }),
        }
    }
}
