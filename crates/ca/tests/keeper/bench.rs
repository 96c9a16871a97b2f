//! What the tests share: a datastore and an upstream authority in memory, and a keeper over them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use steeple_audit::{Actor, Audit, EventKind, Intent, LogRecorder};
use steeple_ca::{
    AuthorityKind, AuthorityMetrics, AuthorityState, AuthorityStates, AuthorityStore, CaConfig, CaSubject, Keeper,
    KeeperError, StoreFailure, StoredJournal,
};
use steeple_clock::{Clock, ManualClock};
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::x509::{Certificate, CertificateTemplate, Csr, Name, Purpose, random_serial};
use steeple_keys::MemoryKeys;
use steeple_plugin::{ErrorClass, JwtKeyPublication, MintedX509Ca, PluginError, UpstreamAuthority};
use steeple_types::{Bundle, JwtAuthority, TrustDomain, X509Authority};

pub(crate) fn trust_domain() -> TrustDomain {
    TrustDomain::parse("example.org").unwrap()
}

/// A datastore in memory, in which things can be made to fail.
#[derive(Default)]
pub(crate) struct FakeStore {
    pub(crate) journal: Mutex<Option<StoredJournal>>,
    pub(crate) bundle: Mutex<Option<Bundle>>,
    pub(crate) recorded: Mutex<Vec<(Actor, EventKind)>>,
    /// What was counted, in order.
    pub(crate) counted: Mutex<Vec<String>>,
    /// Whether the bundle can't be written.
    pub(crate) bundle_fails: Mutex<bool>,
    /// Whether the journal can't be written.
    pub(crate) journal_fails: Mutex<bool>,
}

impl FakeStore {
    /// IDs of the X.509 authorities, with whether they are tainted.
    pub(crate) fn x509(&self) -> Vec<(String, bool)> {
        let bundle = self.bundle.lock();
        let authorities = bundle.as_ref().map(|bundle| bundle.x509_authorities.clone()).unwrap_or_default();
        authorities.iter().map(|authority| (id_of(authority), authority.tainted)).collect()
    }

    /// IDs of the JWT authorities, with whether they are tainted.
    pub(crate) fn jwt(&self) -> Vec<(String, bool)> {
        let bundle = self.bundle.lock();
        let authorities = bundle.as_ref().map(|bundle| bundle.jwt_authorities.clone()).unwrap_or_default();
        authorities.into_iter().map(|authority| (authority.key_id, authority.tainted)).collect()
    }

    /// Marks an X.509 authority as another server would.
    pub(crate) fn taint_x509(&self, id: &str) {
        for authority in &mut self.bundle.lock().as_mut().unwrap().x509_authorities {
            authority.tainted |= id_of(authority) == id;
        }
    }

    fn check(fails: &Mutex<bool>) -> Result<(), StoreFailure> {
        if *fails.lock() { Err(StoreFailure("out of order".to_owned())) } else { Ok(()) }
    }
}

pub(crate) fn id_of(authority: &X509Authority) -> String {
    hex::encode(Certificate::from_der(&authority.certificate).unwrap().subject_key_id())
}

impl AuthorityMetrics for FakeStore {
    fn prepared(&self, kind: AuthorityKind, outcome: Result<(), &KeeperError>, _elapsed: Duration) {
        self.counted.lock().push(format!("{} prepared: {}", kind.name(), outcome.is_ok()));
    }

    fn activated(&self, kind: AuthorityKind, not_after: Timestamp) {
        self.counted.lock().push(format!("{} activated until {not_after}", kind.name()));
    }
}

#[async_trait]
impl AuthorityStore for FakeStore {
    async fn journals(&self) -> Result<Vec<StoredJournal>, StoreFailure> {
        Ok(self.journal.lock().clone().into_iter().collect())
    }

    async fn store_journal(&self, mut journal: StoredJournal) -> Result<i64, StoreFailure> {
        Self::check(&self.journal_fails)?;
        journal.row = 1;
        *self.journal.lock() = Some(journal);
        Ok(1)
    }

    async fn bundle(&self) -> Result<Option<Bundle>, StoreFailure> {
        Ok(self.bundle.lock().clone())
    }

    async fn publish(&self, x509: Vec<X509Authority>, jwt: Vec<JwtAuthority>) -> Result<Bundle, StoreFailure> {
        Self::check(&self.bundle_fails)?;
        let mut bundle = self.bundle.lock();
        let bundle = bundle.get_or_insert_with(|| Bundle::empty(trust_domain()));
        bundle.x509_authorities.extend(x509);
        bundle.jwt_authorities.extend(jwt);
        Ok(bundle.clone())
    }

    async fn take_over(&self, x509: Vec<X509Authority>, jwt: Vec<JwtAuthority>) -> Result<Bundle, StoreFailure> {
        self.publish(x509, jwt).await
    }

    async fn taint(&self, kind: AuthorityKind, authority_id: &str) -> Result<(), StoreFailure> {
        Self::check(&self.bundle_fails)?;
        if kind == AuthorityKind::X509 {
            self.taint_x509(authority_id);
            return Ok(());
        }
        for authority in &mut self.bundle.lock().as_mut().unwrap().jwt_authorities {
            authority.tainted |= authority.key_id == authority_id;
        }
        Ok(())
    }

    async fn revoke(&self, kind: AuthorityKind, authority_id: &str) -> Result<(), StoreFailure> {
        let mut bundle = self.bundle.lock();
        let bundle = bundle.as_mut().unwrap();
        match kind {
            AuthorityKind::X509 => bundle.x509_authorities.retain(|authority| id_of(authority) != authority_id),
            AuthorityKind::Jwt => bundle.jwt_authorities.retain(|authority| authority.key_id != authority_id),
        }
        Ok(())
    }

    async fn record(&self, by: &Actor, event: EventKind) -> Result<Intent, StoreFailure> {
        self.recorded.lock().push((by.clone(), event.clone()));
        let log = Audit::new(Arc::new(LogRecorder));
        log.record(Timestamp::UNIX_EPOCH, by.clone(), event).await.map_err(|error| StoreFailure(error.to_string()))
    }
}

/// A root that signs what it is asked to, and that tells what a test has it tell.
pub(crate) struct FakeUpstream {
    pub(crate) root: Mutex<Root>,
    /// Roots that it tells besides the one that signs.
    pub(crate) others: Mutex<Vec<X509Authority>>,
    /// The JWT keys that were published, if it publishes any.
    pub(crate) keys: Mutex<Option<Vec<JwtAuthority>>>,
    pub(crate) is_away: AtomicBool,
    /// The key that it certifies in place of the one that it is asked to, if any.
    pub(crate) key: Mutex<Option<PrivateKey>>,
}

/// A key and its certificate.
pub(crate) struct Root {
    key: PrivateKey,
    certificate: Certificate,
}

impl Root {
    pub(crate) fn new() -> Self {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap();
        let serial = random_serial().unwrap();
        let name = Name::of("US", &u128::from_be_bytes(serial).to_string());
        let (issuer, public) = (name.to_der(), key.public_key().clone());
        let certificate = signed(&key, &issuer, &[], &public, &name, &[]);
        Self { key, certificate }
    }

    pub(crate) fn id(&self) -> String {
        hex::encode(self.certificate.subject_key_id())
    }

    pub(crate) fn authority(&self, tainted: bool) -> X509Authority {
        X509Authority { certificate: self.certificate.der().to_vec(), tainted }
    }
}

fn signed(
    key: &PrivateKey,
    issuer: &[u8],
    authority_key_id: &[u8],
    public_key: &steeple_crypto::keys::PublicKey,
    subject: &Name,
    uris: &[String],
) -> Certificate {
    let template = CertificateTemplate {
        serial: &random_serial().unwrap(),
        issuer,
        subject,
        not_before: "2025-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2030-01-01T00:00:00Z".parse().unwrap(),
        public_key,
        authority_key_id,
        purpose: Purpose::Ca,
        uris,
        dns_names: &[],
        signature: key.public_key().certificate_signature().unwrap(),
    };
    Certificate::from_der(&template.encode().sign(key).unwrap()).unwrap()
}

impl FakeUpstream {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            root: Mutex::new(Root::new()),
            others: Mutex::default(),
            keys: Mutex::default(),
            is_away: AtomicBool::new(false),
            key: Mutex::default(),
        })
    }

    /// The ID of the root that signs now.
    pub(crate) fn id(&self) -> String {
        self.root.lock().id()
    }

    /// Publishes JWT keys from now on, and has this one already.
    pub(crate) fn publishes(&self, key: JwtAuthority) {
        *self.keys.lock() = Some(vec![key]);
    }

    /// What it tells: the root that signs, the others, the JWT keys.
    pub(crate) fn told(&self) -> Bundle {
        let mut x509_authorities = vec![self.root.lock().authority(false)];
        x509_authorities.extend(self.others.lock().clone());
        let jwt_authorities = self.keys.lock().clone().unwrap_or_default();
        Bundle { x509_authorities, jwt_authorities, ..Bundle::empty(trust_domain()) }
    }

    fn check(&self) -> Result<(), PluginError> {
        if !self.is_away.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(PluginError::new("upstreamauthority", "fake", ErrorClass::Unavailable, "it is away"))
    }

    /// Signs by another root from now on; yields the one that signed so far.
    pub(crate) fn change(&self) -> Root {
        std::mem::replace(&mut *self.root.lock(), Root::new())
    }
}

#[async_trait]
impl UpstreamAuthority for FakeUpstream {
    fn name(&self) -> &'static str {
        "fake"
    }

    async fn mint_x509_ca(&self, csr: &[u8], _preferred_ttl: Duration) -> Result<MintedX509Ca, PluginError> {
        self.check()?;
        let (root, csr) = (self.root.lock(), Csr::from_der(csr).unwrap());
        let above = &root.certificate;
        let (issuer, id) = (above.subject_der(), above.subject_key_id());
        let key = self.key.lock();
        let public_key = key.as_ref().map_or(csr.public_key(), PrivateKey::public_key);
        let certificate = signed(&root.key, issuer, id, public_key, csr.subject(), csr.uris());
        drop(key);
        drop(root);
        let upstream_roots = self.told().x509_authorities;
        Ok(MintedX509Ca { chain: vec![certificate.der().to_vec()], upstream_roots })
    }

    async fn publish_jwt_key(&self, key: &JwtAuthority) -> Result<JwtKeyPublication, PluginError> {
        self.check()?;
        let mut keys = self.keys.lock();
        let Some(keys) = keys.as_mut() else { return Ok(JwtKeyPublication::Unsupported) };
        keys.push(key.clone());
        Ok(JwtKeyPublication::Published(keys.clone()))
    }

    async fn bundle(&self) -> Result<Option<Bundle>, PluginError> {
        self.check()?;
        Ok(Some(self.told()))
    }
}

/// A keeper with its parts at hand.
pub(crate) struct Bench {
    pub(crate) keeper: Keeper,
    pub(crate) store: Arc<FakeStore>,
    pub(crate) clock: Clock,
    pub(crate) hand: ManualClock,
    pub(crate) keys: Arc<MemoryKeys>,
    upstream: Option<Arc<FakeUpstream>>,
}

impl Bench {
    /// A keeper whose first authorities sign.
    pub(crate) async fn new() -> Self {
        Self::with(None).await
    }

    /// The same below an upstream authority.
    pub(crate) async fn below(upstream: &Arc<FakeUpstream>) -> Self {
        Self::with(Some(Arc::clone(upstream))).await
    }

    async fn with(upstream: Option<Arc<FakeUpstream>>) -> Self {
        let (clock, hand) = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
        let (keys, store) = (Arc::new(MemoryKeys::default()), Arc::new(FakeStore::default()));
        let keeper = restored(&keys, &store, upstream.clone(), &clock).await;
        let mut bench = Self { keeper, store, clock, hand, keys, upstream };
        bench.keeper.step().await.unwrap();
        bench
    }

    /// Another keeper over the same datastore, with these keys.
    pub(crate) async fn another(&self, keys: &Arc<MemoryKeys>) -> Keeper {
        restored(keys, &self.store, self.upstream.clone(), &self.clock).await
    }

    pub(crate) fn states(&self, kind: AuthorityKind) -> AuthorityStates {
        states(&self.keeper, kind)
    }

    /// The ID of the authority that signs, by who signs.
    pub(crate) fn signs(&self, kind: AuthorityKind) -> String {
        signs(&self.keeper, kind)
    }

    /// Prepares and activates by request; yields the states of both authorities, the old one first.
    pub(crate) async fn force(&mut self, kind: AuthorityKind) -> (AuthorityState, AuthorityState) {
        let prepared = self.keeper.prepare(kind, &operator()).await.unwrap();
        let active = self.keeper.activate(kind, &prepared.id, &operator()).await.unwrap();
        (self.states(kind).next.unwrap(), active)
    }
}

async fn restored(
    keys: &Arc<MemoryKeys>,
    store: &Arc<FakeStore>,
    upstream: Option<Arc<FakeUpstream>>,
    clock: &Clock,
) -> Keeper {
    let upstream = upstream.map(|upstream| upstream as Arc<dyn UpstreamAuthority>);
    let metrics = store.clone();
    Keeper::restore(config(), keys.clone(), upstream, store.clone(), metrics, clock.clone()).await.unwrap()
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

/// Who asks in these tests.
pub(crate) fn operator() -> Actor {
    Actor::Local { uid: 7, pid: 8 }
}

pub(crate) fn states(keeper: &Keeper, kind: AuthorityKind) -> AuthorityStates {
    keeper.states(kind).borrow().clone()
}

pub(crate) fn signs(keeper: &Keeper, kind: AuthorityKind) -> String {
    let issuers = keeper.issuers();
    match kind {
        AuthorityKind::X509 => issuers.x509.borrow().as_ref().unwrap().authority_id(),
        AuthorityKind::Jwt => issuers.jwt.borrow().as_ref().unwrap().key_id().to_owned(),
    }
}
