//! When certificates are asked for, shown, renewed and read.

use std::path::Path;

use jiff::SignedDuration;
use parking_lot::Mutex;
use steeple_clock::ManualClock;
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::tls::{Greeting, WebCertificates as _};
use steeple_net::web::AwaitedCertificates as _;

use super::*;
use crate::authority::messages::Problem;
use crate::follow::testing::issued;
use crate::keys::FileKeys;

const DAY: Duration = Duration::from_hours(24);

/// An authority whose certificates last ninety days; it notes whom it was asked for, with which key, and can be told to
/// refuse.
#[derive(Clone)]
struct FakeAuthority {
    key: Arc<PrivateKey>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
    refuses: Arc<Mutex<bool>>,
    clock: Clock,
}

#[async_trait]
impl Issue for FakeAuthority {
    async fn issue(&self, domain: &str, key: &dyn Signer) -> Result<Vec<Vec<u8>>, OrderError> {
        self.asked.lock().push((domain.to_owned(), key.public_key().fingerprint()));
        if *self.refuses.lock() {
            return Err(Problem { status: 429, kind: "rateLimited".into(), detail: "later".into() }.into());
        }
        let now = self.clock.now();
        Ok(vec![issued(domain, key.public_key(), &self.key, now, now + SignedDuration::from_hours(90 * 24))])
    }
}

struct Rig {
    folder: tempfile::TempDir,
    authority: FakeAuthority,
    clock: Clock,
    hand: ManualClock,
}

impl Rig {
    fn new() -> Self {
        let (clock, hand) = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
        let authority = FakeAuthority {
            key: Arc::new(PrivateKey::generate(KeyType::EcP256).unwrap()),
            asked: Arc::default(),
            refuses: Arc::default(),
            clock: clock.clone(),
        };
        Self { folder: tempfile::tempdir().unwrap(), authority, clock, hand }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    async fn start(&self) -> (AcmeCertificates, Follow) {
        let names = Names::new(["a.test", "B.test", "not a name"]);
        let cache = Arc::new(Cache::Folder(self.folder().to_owned()));
        let keys = Arc::new(FileKeys(Arc::clone(&cache)));
        let issue = Box::new(self.authority.clone());
        Follow::start(&names, Challenges::default(), issue, keys, cache, self.clock.clone(), None).await
    }

    /// Has `act` done while the certificates are followed.
    async fn following<T>(&self, act: impl AsyncFnOnce(&AcmeCertificates) -> T) -> T {
        let (certificates, follow) = self.start().await;
        let shutdown = Shutdown::new();
        let acting = async {
            let done = act(&certificates).await;
            shutdown.trigger();
            done
        };
        tokio::join!(follow.follow(shutdown.clone()), acting).1
    }

    fn asked(&self) -> Vec<String> {
        self.authority.asked.lock().iter().map(|(domain, _)| domain.clone()).collect()
    }

    /// Lets the time pass to the minute: nobody sleeps longer than an hour at once.
    async fn pass(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(Duration::from_hours(1));
            self.hand.wait_for_sleepers(1).await;
            self.hand.advance(step);
            left -= step;
        }
        self.hand.wait_for_sleepers(1).await;
    }
}

fn greeting(name: &str) -> Greeting {
    Greeting { server_name: Some(name.to_owned()), is_acme_challenge: false }
}

/// The certificate that is shown to who wants `name`, after as much waiting as it takes.
async fn awaited(certificates: &AcmeCertificates, name: &str) -> Option<Vec<u8>> {
    certificates.await_certificate(&greeting(name)).await;
    certificates.certificate(&greeting(name)).map(|certified| certified.cert[0].to_vec())
}

#[tokio::test]
async fn certificate_is_issued_when_the_first_client_wants_it_and_kept() {
    let rig = Rig::new();
    let (first, second) = rig
        .following(async |certificates| {
            assert_eq!(rig.asked(), [""; 0], "nobody has wanted one yet");
            tokio::join!(awaited(certificates, "a.test"), awaited(certificates, "A.test"))
        })
        .await;
    assert!(first.is_some() && first == second);
    assert_eq!(rig.asked(), ["a.test"]);
    let again = rig.following(async |certificates| awaited(certificates, "a.test").await).await;
    assert_eq!((again, rig.asked().len()), (first, 1), "it is read at the next start");
    let text = std::fs::read_to_string(rig.folder().join("a.test")).unwrap();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----") && text.contains("-----BEGIN CERTIFICATE-----"), "{text}");
}

#[tokio::test]
async fn names_that_are_not_configured_are_never_asked_for() {
    let rig = Rig::new();
    rig.following(async |certificates| {
        for (name, refusal) in [
            ("c.test", "acme/autocert: host \"c.test\" not configured in HostWhitelist"),
            ("localhost", "acme/autocert: server name component count invalid"),
            ("", "acme/autocert: missing server name"),
        ] {
            assert_eq!(awaited(certificates, name).await, None);
            assert_eq!(certificates.awaited(&greeting(name)).await.unwrap_err().to_string(), refusal);
        }
        let challenge = Greeting { is_acme_challenge: true, ..greeting("a.test") };
        let refusal = certificates.awaited(&challenge).await.unwrap_err();
        assert_eq!(refusal.to_string(), "acme/autocert: no token cert for \"a.test\"");
        assert!(certificates.certificate(&challenge).is_none());
    })
    .await;
    assert_eq!(rig.asked(), [""; 0]);
}

#[tokio::test]
async fn certificate_is_renewed_with_its_key_before_its_end() {
    let rig = Rig::new();
    rig.following(async |certificates| {
        let first = awaited(certificates, "a.test").await;
        rig.pass(59 * DAY).await;
        assert_eq!((awaited(certificates, "a.test").await, rig.asked().len()), (first.clone(), 1));
        *rig.authority.refuses.lock() = true;
        rig.pass(2 * DAY).await;
        assert!(rig.asked().len() > 2, "it is tried again");
        assert_eq!(awaited(certificates, "a.test").await, first, "as long as there is no other, it is shown");
        *rig.authority.refuses.lock() = false;
        rig.pass(Duration::from_hours(2)).await;
        assert_ne!(awaited(certificates, "a.test").await, first);
    })
    .await;
    let asked = rig.authority.asked.lock().clone();
    assert!(asked.iter().all(|one| *one == asked[0]), "the same key for the same domain: {asked:?}");
}

#[tokio::test]
async fn refusal_is_not_asked_for_again_within_a_minute() {
    let rig = Rig::new();
    *rig.authority.refuses.lock() = true;
    rig.following(async |certificates| {
        for _ in 0..3 {
            assert_eq!(awaited(certificates, "a.test").await, None);
        }
        assert_eq!(rig.asked(), ["a.test"]);
        *rig.authority.refuses.lock() = false;
        rig.pass(Duration::from_mins(1)).await;
        assert!(awaited(certificates, "a.test").await.is_some());
        // Another name is another matter.
        assert!(awaited(certificates, "b.test").await.is_some());
    })
    .await;
    assert_eq!(rig.asked(), ["a.test", "a.test", "b.test"]);
}

#[tokio::test]
async fn what_is_kept_and_does_not_hold_is_as_good_as_nothing() {
    let rig = Rig::new();
    rig.following(async |certificates| awaited(certificates, "a.test").await).await.unwrap();
    std::fs::copy(rig.folder().join("a.test"), rig.folder().join("b.test")).unwrap();
    rig.following(async |certificates| {
        assert!(certificates.certificate(&greeting("a.test")).is_some());
        assert!(certificates.certificate(&greeting("b.test")).is_none(), "it is of another");
        assert!(awaited(certificates, "b.test").await.is_some());
    })
    .await;
    rig.hand.advance(91 * DAY);
    rig.following(async |certificates| {
        for name in ["a.test", "b.test"] {
            assert!(certificates.certificate(&greeting(name)).is_none(), "it is over");
            assert!(awaited(certificates, name).await.is_some());
        }
    })
    .await;
    assert_eq!(rig.asked(), ["a.test", "b.test", "a.test", "b.test"]);
}
