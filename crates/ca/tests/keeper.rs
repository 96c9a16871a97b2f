//! The keeper over real keys, a fake datastore and a manual clock.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use steeple_ca::{AuthorityStore, CaConfig, CaSubject, Keeper, StoreFailure, StoredJournal, SvidProfile, X509Request};
use steeple_clock::Clock;
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::verify::verify_svid;
use steeple_keys::MemoryKeys;
use steeple_types::{Bundle, JwtAuthority, SpiffeId, TrustDomain, X509Authority};

fn trust_domain() -> TrustDomain {
    TrustDomain::parse("example.org").unwrap()
}

#[derive(Default)]
struct FakeStore {
    journal: Mutex<Option<StoredJournal>>,
    bundle: Mutex<Option<Bundle>>,
}

#[async_trait]
impl AuthorityStore for FakeStore {
    async fn journals(&self) -> Result<Vec<StoredJournal>, StoreFailure> {
        Ok(self.journal.lock().clone().into_iter().collect())
    }

    async fn store_journal(&self, mut journal: StoredJournal) -> Result<i64, StoreFailure> {
        journal.row = 1;
        *self.journal.lock() = Some(journal);
        Ok(1)
    }

    async fn bundle(&self) -> Result<Option<Bundle>, StoreFailure> {
        Ok(self.bundle.lock().clone())
    }

    async fn publish(&self, x509: Vec<X509Authority>, jwt: Vec<JwtAuthority>) -> Result<Bundle, StoreFailure> {
        let mut bundle = self.bundle.lock();
        let bundle = bundle.get_or_insert_with(|| Bundle::empty(trust_domain()));
        bundle.x509_authorities.extend(x509);
        bundle.jwt_authorities.extend(jwt);
        Ok(bundle.clone())
    }

    async fn record_activation(&self, _kind: &'static str, _authority_id: &str) -> Result<(), StoreFailure> {
        Ok(())
    }
}

fn config() -> CaConfig {
    CaConfig {
        trust_domain: trust_domain(),
        ca_ttl: Duration::from_mins(10),
        subject: CaSubject::default(),
        x509_key_type: KeyType::EcP256,
        jwt_key_type: KeyType::EcP256,
        jwt_issuer: None,
        jwt_enabled: true,
    }
}

async fn keeper(keys: &Arc<MemoryKeys>, store: &Arc<FakeStore>, clock: &Clock) -> Keeper {
    Keeper::restore(config(), keys.clone(), None, store.clone(), clock.clone()).await.unwrap()
}

fn authority(keeper: &Keeper) -> String {
    keeper.issuers().x509.borrow().as_ref().unwrap().authority_id()
}

#[tokio::test]
async fn restart_with_the_same_keys_keeps_the_authorities() {
    let (clock, _) = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
    let (keys, store) = (Arc::new(MemoryKeys::default()), Arc::new(FakeStore::default()));
    let mut first = keeper(&keys, &store, &clock).await;
    first.step().await.unwrap();
    let jwt = first.issuers().jwt.borrow().as_ref().unwrap().key_id().to_owned();
    let mut second = keeper(&keys, &store, &clock).await;
    second.step().await.unwrap();
    assert_eq!(authority(&first), authority(&second));
    assert_eq!(second.issuers().jwt.borrow().as_ref().unwrap().key_id(), jwt);
    let mut elsewhere = keeper(&Arc::new(MemoryKeys::default()), &store, &clock).await;
    assert!(elsewhere.issuers().x509.borrow().is_none());
    elsewhere.step().await.unwrap();
    assert_ne!(authority(&first), authority(&elsewhere));
}

#[tokio::test]
async fn authority_rotates_and_what_both_signed_verifies() {
    let (clock, hand) = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
    let (keys, store) = (Arc::new(MemoryKeys::default()), Arc::new(FakeStore::default()));
    let mut keeper = keeper(&keys, &store, &clock).await;
    keeper.step().await.unwrap();
    let first = authority(&keeper);
    let before = issue(&keeper, clock.now()).await;
    hand.advance(Duration::from_secs(301));
    keeper.step().await.unwrap();
    assert_eq!(authority(&keeper), first);
    assert_eq!(store.bundle.lock().as_ref().unwrap().x509_authorities.len(), 2);
    hand.advance(Duration::from_secs(200));
    keeper.step().await.unwrap();
    assert_ne!(authority(&keeper), first);
    let after = issue(&keeper, clock.now()).await;
    for chain in [before, after] {
        let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let roots = |_: &SpiffeId| {
            let bundle = store.bundle.lock();
            bundle.as_ref().unwrap().x509_authorities.iter().map(|root| root.certificate.clone()).collect()
        };
        let (id, leaf) = verify_svid(&chain, roots, clock.now()).unwrap();
        assert_eq!(id.as_str(), "spiffe://example.org/w");
        assert_eq!(leaf.subject().common_name.as_deref(), Some("w.example.org"));
    }
}

async fn issue(keeper: &Keeper, now: Timestamp) -> Vec<Vec<u8>> {
    let key = PrivateKey::generate(KeyType::EcP256).unwrap();
    let issuer = keeper.issuers().x509.borrow().clone().unwrap();
    let request = X509Request {
        id: SpiffeId::parse("spiffe://example.org/w").unwrap(),
        public_key: key.public_key(),
        dns_names: &["w.example.org".to_owned()],
        ttl: Duration::from_hours(1),
        subject: None,
        profile: SvidProfile::Svid,
    };
    let prepared = issuer.prepare(request, now).unwrap();
    assert_eq!(prepared.expires_at(), issuer.certificate().not_after());
    prepared.sign().await.unwrap().chain
}
