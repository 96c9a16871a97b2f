//! The bundle endpoint: the own bundle for other trust domains (SPIFFE Federation, section 5.2).

mod acme;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::json;
use steeple_acme::{AcmeCertificates, Follow};
use steeple_clock::Clock;
use steeple_config::format_duration;
use steeple_crypto::bundle::to_document;
use steeple_crypto::tls::{KeyExchange, web_server_config};
use steeple_net::tcp;
use steeple_net::web::{Answer, CertificateError, CertificateFiles, Endpoint, WebLimits, serve_requests};
use steeple_plugin::KeyManager;
use steeple_runtime::{OnExit, Supervisor};
use steeple_types::Bundle;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{error, info};

pub use self::acme::AcmeSettings;
use crate::identity::ServerTls;
use crate::server::ServerError;

/// Where and how the own bundle is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleEndpointSettings {
    /// Where to listen; the unspecified address of IPv6 stands for all addresses of the machine.
    pub address: SocketAddr,
    /// The refresh hint that the bundle is told with.
    pub refresh_hint: Duration,
    /// How the endpoint proves who it is.
    pub profile: BundleEndpointProfile,
}

/// How the own bundle endpoint proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundleEndpointProfile {
    /// By the server's X.509-SVID.
    HttpsSpiffe,
    /// By a certificate of Web PKI.
    HttpsWeb(ServingCertFile),
    /// By a certificate of Web PKI that it has issued by ACME.
    Acme(AcmeSettings),
}

/// A certificate of Web PKI in files that are read anew when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServingCertFile {
    /// The certificate and those above it, PEM.
    pub cert_file_path: PathBuf,
    /// Its private key, PEM.
    pub key_file_path: PathBuf,
    /// How often the files are looked at.
    pub file_sync_interval: Duration,
}

impl ServingCertFile {
    /// Reads the files.
    fn load(&self, clock: &Clock) -> Result<CertificateFiles, CertificateError> {
        let Self { cert_file_path, key_file_path, file_sync_interval } = self;
        CertificateFiles::load(cert_file_path, key_file_path, *file_sync_interval, clock.clone())
    }
}

/// An endpoint whose listener is bound.
pub(crate) struct BundleEndpoint {
    listener: TcpListener,
    proof: Proof,
    document: Document,
}

/// What it is shown by, and what keeps that up to date.
enum Proof {
    Svid(Arc<ServerTls>),
    Files(CertificateFiles),
    Acme(AcmeCertificates, Follow),
}

impl BundleEndpoint {
    /// Binds the listener. `own` is the bundle to serve, `tls` has the server's X.509-SVID, and `keys` keeps those of ACME.
    pub(crate) async fn bind(
        settings: &BundleEndpointSettings,
        own: watch::Receiver<Option<Bundle>>,
        tls: &Arc<ServerTls>,
        keys: Arc<dyn KeyManager>,
        clock: &Clock,
    ) -> Result<Self, ServerError> {
        let BundleEndpointSettings { address, refresh_hint, profile } = settings;
        tell(*address, *refresh_hint);
        let proof = match profile {
            BundleEndpointProfile::HttpsSpiffe => Proof::Svid(Arc::clone(tls)),
            BundleEndpointProfile::HttpsWeb(paths) => Proof::Files(paths.load(clock)?),
            BundleEndpointProfile::Acme(settings) => {
                let (certificates, follow) = settings.start(keys, clock).await;
                Proof::Acme(certificates, follow)
            }
        };
        let listener = tcp::bind(*address).await.map_err(|source| ServerError::Bind {
            address: tcp::shown(*address),
            option: "federation.bundle_endpoint.address and port",
            source,
        })?;
        let document = Document { own, refresh_hint: i64::try_from(refresh_hint.as_secs()).unwrap_or(i64::MAX) };
        Ok(Self { listener, proof, document })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves from now on.
    pub(crate) fn spawn(
        self,
        supervisor: &Supervisor,
        exchange: KeyExchange,
        clock: &Clock,
    ) -> Result<(), rustls::Error> {
        let Self { listener, proof, document } = self;
        let respond = move |head: &Parts, _body: &Bytes| -> Response<Bytes> {
            document.answer(&head.method, head.uri.path()).into()
        };
        let stop = || supervisor.shutdown().clone();
        let follow = |task| supervisor.spawn("certificate of the bundle endpoint", OnExit::StopProcess, task);
        let endpoint = match proof {
            Proof::Svid(svid) => Endpoint::Tls(listener, Arc::new(web_server_config(svid, exchange)?)),
            Proof::Files(files) => {
                let config = Arc::new(web_server_config(files.certificates(), exchange)?);
                follow(endless(files.follow(stop()).boxed()));
                Endpoint::Tls(listener, config)
            }
            Proof::Acme(certificates, issuing) => {
                let config = Arc::new(certificates.server_config(exchange)?);
                follow(endless(issuing.follow(stop()).boxed()));
                Endpoint::AwaitedTls(listener, config, Arc::new(certificates))
            }
        };
        let serve = serve_requests(endpoint, Arc::new(respond), WebLimits::HEADS, clock.clone(), stop());
        supervisor.spawn("bundle endpoint", OnExit::StopProcess, endless(serve));
        Ok(())
    }
}

/// A task that has nothing to complain of.
async fn endless(task: impl Future<Output = ()>) -> Result<(), Infallible> {
    task.await;
    Ok(())
}

/// What is served.
struct Document {
    own: watch::Receiver<Option<Bundle>>,
    refresh_hint: i64,
}

impl Document {
    fn answer(&self, method: &Method, path: &str) -> Answer {
        let plain = |status, text: &str| Answer { body: format!("{text}\n"), ..Answer::plain(status) };
        if method != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed");
        }
        if path != "/" {
            return plain(StatusCode::NOT_FOUND, "404 page not found");
        }
        let bundle = self.own.borrow().clone();
        let Some(bundle) = bundle else {
            let reason = "trust domain bundle not found";
            error!(error = reason, subsystem_name = "bundle_endpoint", "Unable to retrieve local bundle");
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "500 unable to retrieve local bundle");
        };
        match to_document(&Bundle { refresh_hint: self.refresh_hint, ..bundle }) {
            Ok(body) => Answer { status: StatusCode::OK, content_type: "application/json", body },
            Err(error) => {
                error!(%error, subsystem_name = "bundle_endpoint", "Unable to marshal local bundle");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "500 unable to marshal local bundle")
            }
        }
    }
}

/// Says where the bundle is served, as SPIRE does: Go writes addresses and durations otherwise in lines of JSON.
fn tell(address: SocketAddr, refresh_hint: Duration) {
    let ip = if tcp::is_any(address) { String::new() } else { address.ip().to_string() };
    let nanoseconds = u64::try_from(refresh_hint.as_nanos()).unwrap_or(u64::MAX);
    let in_json = json!({ "addr": { "IP": ip, "Port": address.port(), "Zone": "" }, "refresh_hint": nanoseconds });
    info!(
        addr = tcp::shown(address),
        %in_json,
        refresh_hint = format_duration(refresh_hint),
        subsystem_name = "endpoints",
        "Serving bundle endpoint"
    );
}

#[cfg(test)]
mod tests {
    use steeple_types::TrustDomain;

    use super::*;

    fn document(own: Option<Bundle>) -> Document {
        Document { own: watch::Sender::new(own).subscribe(), refresh_hint: 300 }
    }

    #[test]
    fn only_a_get_of_the_root_is_answered() {
        let bundle = Bundle { sequence_number: 7, ..Bundle::empty(TrustDomain::from_name("a.example").unwrap()) };
        let document = document(Some(bundle));
        for (method, path, status, text) in [
            (Method::POST, "/", 405, "405 method not allowed\n"),
            (Method::HEAD, "/", 405, "405 method not allowed\n"),
            (Method::GET, "/bundle", 404, "404 page not found\n"),
        ] {
            let answer = document.answer(&method, path);
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, text), "{method} {path}");
        }
        let answer = document.answer(&Method::GET, "/");
        assert_eq!((answer.status.as_u16(), answer.content_type), (200, "application/json"));
        assert!(answer.body.contains("\"spiffe_sequence\": 7,\n    \"spiffe_refresh_hint\": 300\n"), "{}", answer.body);
    }

    #[test]
    fn bundle_that_is_not_there_is_told() {
        let answer = document(None).answer(&Method::GET, "/");
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (500, "500 unable to retrieve local bundle\n"));
    }
}
