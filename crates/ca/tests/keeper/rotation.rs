//! Rotation in time.

use std::time::Duration;

use jiff::Timestamp;
use steeple_ca::AuthorityKind::X509;
use steeple_ca::{Keeper, SvidProfile, X509Request};
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::verify::verify_svid;
use steeple_types::SpiffeId;

use crate::bench::Bench;

#[tokio::test]
async fn authority_rotates_and_what_both_signed_verifies() {
    let mut bench = Bench::new().await;
    let first = bench.signs(X509);
    let before = issue(&bench.keeper, bench.clock.now()).await;
    bench.hand.advance(Duration::from_secs(301));
    bench.keeper.step().await.unwrap();
    assert_eq!(bench.signs(X509), first);
    assert_eq!(bench.store.x509().len(), 2);
    bench.hand.advance(Duration::from_secs(200));
    bench.keeper.step().await.unwrap();
    assert_ne!(bench.signs(X509), first);
    let after = issue(&bench.keeper, bench.clock.now()).await;
    for chain in [before, after] {
        let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let roots = |_: &SpiffeId| {
            let bundle = bench.store.bundle.lock();
            bundle.as_ref().unwrap().x509_authorities.iter().map(|root| root.certificate.clone()).collect()
        };
        let (id, leaf) = verify_svid(&chain, roots, bench.clock.now()).unwrap();
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

#[tokio::test]
async fn what_becomes_of_authorities_is_counted() {
    let mut bench = Bench::new().await;
    let counted = |bench: &Bench| std::mem::take(&mut *bench.store.counted.lock());
    let end = "2026-01-01T00:10:00Z";
    let first = ["x509 prepared: true".to_owned(), format!("x509 activated until {end}")];
    let second = ["jwt prepared: true".to_owned(), format!("jwt activated until {end}")];
    assert_eq!(counted(&bench), [first, second].concat());
    bench.hand.advance(Duration::from_secs(301));
    *bench.store.bundle_fails.lock() = true;
    bench.keeper.step().await.unwrap_err();
    *bench.store.bundle_fails.lock() = false;
    bench.keeper.step().await.unwrap();
    let prepared = |kind: &str, worked: bool| format!("{kind} prepared: {worked}");
    let expected = [prepared("x509", false), prepared("jwt", false), prepared("x509", true), prepared("jwt", true)];
    assert_eq!(counted(&bench), expected);
}
