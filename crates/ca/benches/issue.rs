//! What issuing costs within the process: an X.509-SVID from its request to its chain, a JWT-SVID, and what the signatures
//! alone cost. `cargo bench --package steeple-ca`.
#![expect(clippy::unwrap_used, reason = "a measurement that can't be made ends")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use futures::executor::block_on;
use jiff::Timestamp;
use steeple_ca::{JwtIssuer, JwtRequest, SvidProfile, X509Issuer, X509Request};
use steeple_crypto::keys::{KeyType, LocalSigner, PrivateKey, SignatureAlgorithm};
use steeple_crypto::x509::{CertificateTemplate, Csr, Name, Purpose, random_serial, self_signed_csr};
use steeple_types::SpiffeId;

const HOUR: Duration = Duration::from_hours(1);

fn key() -> PrivateKey {
    PrivateKey::generate(KeyType::EcP256).unwrap()
}

fn id() -> SpiffeId {
    SpiffeId::parse("spiffe://example.org/workload").unwrap()
}

/// A self-signed authority.
fn x509_issuer(now: Timestamp) -> Arc<X509Issuer> {
    let (key, subject) = (key(), Name::of("US", "SPIFFE"));
    let unsigned = CertificateTemplate {
        serial: &random_serial().unwrap(),
        issuer: &subject.to_der(),
        subject: &subject,
        not_before: now,
        not_after: now + 24 * HOUR,
        public_key: key.public_key(),
        authority_key_id: &[],
        purpose: Purpose::Ca,
        uris: &["spiffe://example.org".to_owned()],
        dns_names: &[],
        signature: SignatureAlgorithm::EcdsaSha256,
    }
    .encode();
    let signature = key.sign(unsigned.algorithm(), unsigned.to_be_signed()).unwrap();
    Arc::new(X509Issuer::new(Arc::new(LocalSigner(key)), &unsigned.finish(&signature), Vec::new()).unwrap())
}

fn x509(criterion: &mut Criterion) {
    let now = Timestamp::UNIX_EPOCH + 24 * HOUR;
    let issuer = x509_issuer(now);
    let csr = self_signed_csr(&key(), &Name::of("US", "SPIRE"), &[], &[]).unwrap();
    criterion.bench_function("X.509-SVID: read the request, check it, build, sign", |bencher| {
        bencher.iter(|| {
            let csr = Csr::from_der(black_box(&csr)).unwrap();
            csr.verify_signature().unwrap();
            let request = X509Request {
                id: id(),
                public_key: csr.public_key(),
                dns_names: &[],
                ttl: HOUR,
                subject: None,
                profile: SvidProfile::Svid,
            };
            block_on(issuer.prepare(request, now).unwrap().sign()).unwrap()
        });
    });
}

fn jwt(criterion: &mut Criterion) {
    let now = Timestamp::UNIX_EPOCH + 24 * HOUR;
    let issuer = Arc::new(JwtIssuer::new(Arc::new(LocalSigner(key())), "kid".to_owned(), now + 24 * HOUR, None));
    criterion.bench_function("JWT-SVID: build, sign", |bencher| {
        bencher.iter(|| {
            let request = JwtRequest { id: id(), audience: vec!["audience".to_owned()], ttl: HOUR, include_jti: false };
            block_on(issuer.prepare(request, now).unwrap().sign()).unwrap()
        });
    });
}

/// The part that no other code of ours can make cheaper.
fn signatures(criterion: &mut Criterion) {
    let (key, message) = (key(), [7; 400]);
    let signature = key.sign(SignatureAlgorithm::EcdsaSha256, &message).unwrap();
    criterion.bench_function("P-256: sign", |bencher| {
        bencher.iter(|| key.sign(SignatureAlgorithm::EcdsaSha256, black_box(&message)).unwrap());
    });
    criterion.bench_function("P-256: verify", |bencher| {
        bencher.iter(|| key.public_key().verify(SignatureAlgorithm::EcdsaSha256, black_box(&message), &signature));
    });
}

criterion_group!(issuing, x509, jwt, signatures);
criterion_main!(issuing);
