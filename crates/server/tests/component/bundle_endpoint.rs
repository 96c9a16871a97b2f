//! The bundle endpoint: the own bundle for other trust domains.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::{ClientConfig, RootCertStore};
use steeple_client::{HttpsTrust, get_over_https};
use steeple_clock::Clock;
use steeple_crypto::bundle::from_document;
use steeple_crypto::keys::{KeyType, PrivateKey, SignatureAlgorithm};
use steeple_crypto::pem;
use steeple_crypto::tls::{KeyExchange, ServerVerification, TlsSource, client_config};
use steeple_crypto::x509::{CertificateTemplate, Name, Purpose};
use steeple_runtime::Shutdown;
use steeple_server::{BundleEndpointProfile, BundleEndpointSettings, ServerError, ServingCertFile, Settings};
use steeple_types::{Bundle, TrustDomain};

use crate::bench::Bench;

const LIMIT: usize = 1 << 20;

fn serving(profile: BundleEndpointProfile) -> impl FnOnce(&mut Settings) {
    let address = "127.0.0.1:0".parse().unwrap();
    let endpoint = BundleEndpointSettings { address, refresh_hint: Duration::from_mins(10), profile };
    move |settings| settings.federation.bundle_endpoint = Some(endpoint)
}

/// Another trust domain's server, which knows this bundle.
struct Reader {
    bundle: Bundle,
    clock: Clock,
}

impl TlsSource for Reader {
    fn identity(&self) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn authorities(&self, _trust_domain: &TrustDomain) -> Vec<Vec<u8>> {
        self.bundle.x509_authorities.iter().map(|authority| authority.certificate.clone()).collect()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

async fn own_bundle(store: &steeple_store::Store) -> Bundle {
    let own = |tx: &mut dyn steeple_store::ReadTx| tx.bundle(&"example.org".parse().unwrap());
    store.read("bundle.fetch", own).await.unwrap().unwrap()
}

#[tokio::test]
async fn own_bundle_is_served_by_the_servers_svid_as_both_rotate() {
    let bench = Bench::with(serving(BundleEndpointProfile::HttpsSpiffe)).await;
    let url = format!("https://{}", bench.server.bundle_endpoint_address().unwrap());
    let (store, hand, clock) = (bench.store.clone(), bench.hand.clone(), bench.clock.clone());
    let fetch = async |known: &Bundle| {
        let source = Arc::new(Reader { bundle: known.clone(), clock: clock.clone() });
        let server_id = ServerVerification::Id(known.trust_domain.server_id());
        let trust = HttpsTrust::of(client_config(source, server_id, KeyExchange::Any).unwrap());
        let document = get_over_https(&url, &trust, LIMIT).await.unwrap();
        from_document(known.trust_domain.clone(), &document).unwrap()
    };
    let first = own_bundle(&store).await;
    let mut revisions = store.revisions();
    let shutdown = Shutdown::new();
    let read = async {
        let fetched = fetch(&first).await;
        assert_eq!(fetched.refresh_hint, 600);
        assert_eq!(fetched.sequence_number, first.sequence_number);
        assert_eq!(fetched.x509_authorities, first.x509_authorities);
        assert_eq!(fetched.jwt_authorities[0].key_id, first.jwt_authorities[0].key_id);

        revisions.mark_unchanged();
        hand.wait_for_sleepers(9).await;
        hand.advance(Duration::from_hours(13));
        // Known by the authorities before: an SVID that has expired since, and a bundle that has grown.
        let grown = loop {
            revisions.changed().await.unwrap();
            let bundle = own_bundle(&store).await;
            if bundle.x509_authorities.len() == 2 && bundle.jwt_authorities.len() == 2 {
                break bundle;
            }
        };
        hand.wait_for_sleepers(9).await;
        let fetched = fetch(&first).await;
        assert_eq!((fetched.sequence_number, fetched.x509_authorities.len()), (grown.sequence_number, 2));
        shutdown.trigger();
    };
    let (ended, ()) = tokio::join!(bench.server.run(shutdown.clone()), read);
    ended.unwrap();
}

/// Writes a certificate of its own key for `localhost` and the key, PEM; yields the certificate.
fn write_pair(files: &ServingCertFile) -> Vec<u8> {
    let key = PrivateKey::generate(KeyType::EcP256).unwrap();
    let subject = Name::of("US", "WEB");
    let template = CertificateTemplate {
        serial: &[1],
        issuer: &subject.to_der(),
        subject: &subject,
        not_before: Timestamp::UNIX_EPOCH,
        not_after: "2060-01-01T00:00:00Z".parse().unwrap(),
        public_key: key.public_key(),
        authority_key_id: &[],
        purpose: Purpose::Leaf,
        uris: &[],
        dns_names: &["localhost".to_owned()],
        signature: SignatureAlgorithm::EcdsaSha256,
    };
    let certificate = template.encode().sign(&key).unwrap();
    std::fs::write(&files.key_file_path, pem::encode("PRIVATE KEY", &key.to_pkcs8().unwrap())).unwrap();
    std::fs::write(&files.cert_file_path, pem::encode("CERTIFICATE", &certificate)).unwrap();
    certificate
}

/// Believes `root` alone.
fn web(root: &[u8]) -> HttpsTrust {
    let mut roots = RootCertStore::empty();
    roots.add(root.to_vec().into()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    HttpsTrust::of(config.with_root_certificates(roots).with_no_client_auth())
}

fn files(folder: &Path) -> ServingCertFile {
    ServingCertFile {
        cert_file_path: folder.join("web.pem"),
        key_file_path: folder.join("web.key"),
        file_sync_interval: Duration::from_secs(5),
    }
}

#[tokio::test]
async fn certificate_files_are_presented_and_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let first = write_pair(&files);
    let bench = Bench::with(serving(BundleEndpointProfile::HttpsWeb(files.clone()))).await;
    let port = bench.server.bundle_endpoint_address().unwrap().port();
    let hand = bench.hand.clone();
    let shutdown = Shutdown::new();
    let read = async {
        let url = format!("https://localhost:{port}/");
        get_over_https(&url, &web(&first), LIMIT).await.unwrap();
        let second = write_pair(&files);
        hand.wait_for_sleepers(10).await;
        hand.advance(Duration::from_secs(5));
        hand.wait_for_sleepers(10).await;
        get_over_https(&url, &web(&second), LIMIT).await.unwrap();
        let refused = get_over_https(&url, &web(&first), LIMIT).await.unwrap_err().to_string();
        assert!(refused.contains("invalid peer certificate"), "{refused}");
        let nothing = get_over_https(&format!("{url}bundle"), &web(&second), LIMIT).await.unwrap_err().to_string();
        assert_eq!(nothing, "404 Not Found");
        shutdown.trigger();
    };
    let (ended, ()) = tokio::join!(bench.server.run(shutdown.clone()), read);
    ended.unwrap();
}

#[tokio::test]
async fn files_that_are_not_there_keep_the_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let profile = BundleEndpointProfile::HttpsWeb(files(folder.path()));
    let started = Bench::start_with(serving(profile)).await;
    let refused = started.err().unwrap();
    assert!(matches!(refused, ServerError::Certificate(_)), "{refused}");
    let path = folder.path().join("web.pem");
    assert_eq!(
        refused.to_string(),
        format!("failed to load certificate: open {}: no such file or directory", path.display())
    );
}
