//! The provider as a whole: its source, its listeners, their life.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use steeple_acme::{AuthoritySettings, Cache, FileKeys, Follow, Names};
use steeple_clock::Clock;
use steeple_config::UrlError;
use steeple_crypto::tls::{KeyExchange, web_server_config};
use steeple_net::tcp::{self, ListenError};
use steeple_net::uds::{self, BindError};
use steeple_net::web::{CertificateError, CertificateFiles, Endpoint, WebLimits, serve_requests};
use steeple_runtime::{Failure, OnExit, Shutdown, Supervisor};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::{AcmeConfig, CertificateFilesConfig, ListenerConfig, OidcConfig};
use crate::domains::{DomainError, Domains};
use crate::handler::{Handler, HandlerConfig};
use crate::health::Health;
use crate::source::{self, ChooseError, Polled, Source};

/// How long answers may take to go out after a stop.
const GRACE: Duration = Duration::from_secs(10);

/// Why the provider does not start.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The source is none.
    #[error(transparent)]
    Source(#[from] ChooseError),
    /// A domain is none.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The prefix is no path.
    #[error(transparent)]
    Prefix(#[from] UrlError),
    /// The certificate is none.
    #[error("failed to load certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// TLS is not available.
    #[error("TLS can't be served: {0}")]
    Tls(String),
    /// Nothing can listen for HTTPS.
    #[error("failed to create listener using certificate from disk: {0}")]
    ListenTls(ListenError),
    /// Nothing can listen for ACME.
    #[error("failed to create an ACME listener: {0}")]
    ListenAcme(ListenError),
    /// Nothing can listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Nothing can listen on the socket.
    #[error(transparent)]
    Socket(#[from] BindError),
}

/// A provider that listens and does not serve yet.
pub struct Provider {
    config: OidcConfig,
    clock: Clock,
    source: Box<dyn Source>,
    handler: Handler,
    polled: watch::Sender<Polled>,
    bound: Bound,
}

/// What was bound.
struct Bound {
    endpoint: Endpoint,
    certificate: Option<CertificateFiles>,
    issuing: Option<Follow>,
    socket: Option<PathBuf>,
}

impl Provider {
    /// Makes everything that can fail.
    ///
    /// # Errors
    /// [`ProviderError`] of the first thing that does.
    pub async fn start(config: OidcConfig, clock: Clock) -> Result<Self, ProviderError> {
        if config.allow_insecure_scheme {
            warn!(
                "allow_insecure_scheme is set: keys are served over HTTP, and whoever is on the way between the provider \
                 and its clients can exchange them. Use it only where all of that way is trusted"
            );
        }
        let source = source::choose(&config.source.kind, &clock)?;
        let handler_config = HandlerConfig {
            domains: Domains::new(&config.domains)?,
            allow_insecure_scheme: config.allow_insecure_scheme,
            set_key_use: config.set_key_use,
            log_requests: config.log_requests,
            jwt_issuer: config.jwt_issuer.clone(),
            jwks_uri: config.jwks_uri.clone(),
            server_path_prefix: config.server_path_prefix.clone(),
        };
        let polled = watch::Sender::new(Polled::default());
        let handler = Handler::new(handler_config, polled.subscribe())?;
        if config.log_requests {
            info!("Logging all requests");
        }
        let bound = bind(&config.listener, &config.domains, &clock).await?;
        Ok(Self { config, clock, source, handler, polled, bound })
    }

    /// Serves until the shutdown.
    ///
    /// # Errors
    /// [`Failure`] of a part without which the provider can't go on.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Failure> {
        let Self { config, clock, source, handler, polled, bound } = self;
        let supervisor = Supervisor::new(shutdown.clone(), clock.clone());
        if let Some(health) = config.health {
            let address = format!(":{}", health.bind_port);
            let health = Health::new(health, config.source.poll_interval, clock.clone(), polled.subscribe());
            let serving = serve_health(health, address, clock.clone(), shutdown.clone());
            supervisor.spawn("health listener", OnExit::Log, serving);
        }
        let polling = source::poll(source, config.source.poll_interval, polled, clock.clone(), shutdown.clone());
        supervisor.spawn("source", OnExit::StopProcess, endless(polling));
        if let Some(files) = bound.certificate {
            supervisor.spawn("certificate", OnExit::StopProcess, endless(files.follow(shutdown.clone())));
        }
        if let Some(issuing) = bound.issuing {
            supervisor.spawn("certificates by ACME", OnExit::StopProcess, endless(issuing.follow(shutdown.clone())));
        }
        let respond = move |head: &Parts, _body: &Bytes| -> Response<Bytes> { handler.answer(head) };
        let serving = serve_requests(bound.endpoint, Arc::new(respond), WebLimits::HEADS, clock, shutdown);
        supervisor.spawn("listener", OnExit::StopProcess, endless(serving));
        let ended = supervisor.run_to_end(GRACE).await;
        let _gone = bound.socket.map(std::fs::remove_file);
        ended
    }
}

/// A task that has nothing to complain of.
async fn endless(task: impl Future<Output = ()>) -> Result<(), Infallible> {
    task.await;
    Ok(())
}

async fn serve_health(health: Health, address: String, clock: Clock, shutdown: Shutdown) -> Result<(), ListenError> {
    let endpoint = Endpoint::Tcp(tcp::listen(&address).await?);
    let respond = move |head: &Parts, _body: &Bytes| -> Response<Bytes> { health.answer(head) };
    serve_requests(endpoint, Arc::new(respond), WebLimits::HEADS, clock, shutdown).await;
    Ok(())
}

async fn bind(listener: &ListenerConfig, domains: &[String], clock: &Clock) -> Result<Bound, ProviderError> {
    let plain = |endpoint| Bound { endpoint, certificate: None, issuing: None, socket: None };
    match listener {
        ListenerConfig::Insecure(address) => {
            let bound = tcp::listen(address).await?;
            warn!(address, "Serving HTTP (insecure)");
            Ok(plain(Endpoint::Tcp(bound)))
        }
        ListenerConfig::Socket(path) => {
            let bound = uds::bind(path, 0o755, 0o777)?;
            info!(address = %path.display(), network = "unix", "Serving HTTP");
            Ok(Bound { socket: Some(path.clone()), ..plain(Endpoint::Unix(bound)) })
        }
        ListenerConfig::CertificateFiles(config) => bind_tls(config, clock).await,
        ListenerConfig::Acme(config) => bind_acme(config, domains, clock).await,
    }
}

async fn bind_tls(config: &CertificateFilesConfig, clock: &Clock) -> Result<Bound, ProviderError> {
    let files = CertificateFiles::load(&config.certificate, &config.key, config.interval, clock.clone())?;
    let tls = web_server_config(files.certificates(), KeyExchange::Any)
        .map_err(|error| ProviderError::Tls(error.to_string()))?;
    let bound = tcp::listen(&config.address).await.map_err(ProviderError::ListenTls)?;
    info!(
        address = %config.key.display(),
        cert_file_path = %config.certificate.display(),
        "Serving HTTPS using certificate loaded from disk"
    );
    let endpoint = Endpoint::Tls(bound, Arc::new(tls));
    Ok(Bound { endpoint, certificate: Some(files), issuing: None, socket: None })
}

async fn bind_acme(config: &AcmeConfig, domains: &[String], clock: &Clock) -> Result<Bound, ProviderError> {
    let settings = AuthoritySettings {
        directory_url: config.directory_url.clone(),
        email: config.email.clone(),
        user_agent: concat!("steeple/", env!("CARGO_PKG_VERSION"), " (OIDC discovery provider)").to_owned(),
        // Without that the configuration is refused.
        accept_terms: Box::new(|url| {
            info!(url, "ACME Terms Of Service accepted");
            true
        }),
    };
    let names = Names::new(domains.iter().map(String::as_str));
    let cache = Arc::new(config.cache_dir.clone().map_or_else(Cache::memory, Cache::Folder));
    let keys = Arc::new(FileKeys(Arc::clone(&cache)));
    let (certificates, issuing) = steeple_acme::start(&names, settings, keys, cache, clock.clone(), None).await;
    let tls = certificates.server_config(KeyExchange::Any).map_err(|error| ProviderError::Tls(error.to_string()))?;
    let bound = tcp::listen(&config.address).await.map_err(ProviderError::ListenAcme)?;
    info!("Serving HTTPS via ACME");
    let endpoint = Endpoint::AwaitedTls(bound, Arc::new(tls), Arc::new(certificates));
    Ok(Bound { endpoint, certificate: None, issuing: Some(issuing), socket: None })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;

    fn config(lines: &str) -> OidcConfig {
        OidcConfig::parse(&format!("domains = [\"domain.test\"]\n{lines}")).unwrap()
    }

    /// What is answered to a GET of `path` on the socket.
    async fn get(socket: &std::path::Path, path: &str) -> String {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: domain.test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn provider_serves_what_its_source_tells_until_it_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, bundle) = (folder.path().join("socket"), folder.path().join("bundle.json"));
        let jwk = serde_json::to_value(steeple_crypto::jwk::Jwk {
            key_use: "jwt-svid".to_owned(),
            kid: "one".to_owned(),
            ..steeple_crypto::jwk::Jwk::from_key(&crate::testing::ec_key()).unwrap()
        });
        std::fs::write(&bundle, serde_json::json!({ "keys": [jwk.unwrap()] }).to_string()).unwrap();
        let lines =
            format!("listen_socket_path = \"{}\"\nfile {{ path = \"{}\" }}", socket.display(), bundle.display());
        let (clock, hand) = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let provider = Provider::start(config(&lines), clock).await.unwrap();
        let shutdown = Shutdown::new();
        let asking = async {
            // The source is asked first and sleeps then.
            hand.wait_for_sleepers(1).await;
            let keys = get(&socket, "/keys").await;
            assert!(keys.starts_with("HTTP/1.1 200 OK\r\n") && keys.contains("\"kid\": \"one\""), "{keys}");
            let document = get(&socket, "/.well-known/openid-configuration").await;
            assert!(document.contains("\"issuer\": \"https://domain.test\""), "{document}");
            shutdown.trigger();
        };
        let (ended, ()) = tokio::join!(provider.run(shutdown.clone()), asking);
        ended.unwrap();
        assert!(!socket.exists(), "a socket that nobody listens on");
    }

    #[tokio::test]
    async fn what_keeps_it_from_starting_is_told_in_spires_words() {
        let refused =
            async |lines: &str| Provider::start(config(lines), Clock::system()).await.err().unwrap().to_string();
        let socket = "listen_socket_path = \"/nowhere/socket\"\n";
        let bad_domain = format!("domains = [\"a/b\"]\n{socket}file {{}}");
        assert_eq!(
            refused(&bad_domain).await,
            "domain \"a/b\" is not a valid domain name: idna: disallowed rune U+002F"
        );
        let bad_prefix = format!("{socket}file {{}}\nserver_path_prefix = \"/%zz\"");
        assert_eq!(refused(&bad_prefix).await, "parse \"/%zz\": invalid URL escape \"%zz\"");
        let bad_trust_domain = format!("{socket}workload_api {{ socket_path = \"/w\" trust_domain = \"Bad\" }}");
        assert!(refused(&bad_trust_domain).await.starts_with("trust domain characters are limited to"));
        let no_certificate =
            "serving_cert_file { cert_file_path = \"/nowhere/c\" key_file_path = \"/nowhere/k\" }\nfile {}";
        assert_eq!(
            refused(no_certificate).await,
            "failed to load certificate: open /nowhere/c: no such file or directory"
        );
        assert_eq!(refused("insecure_addr = \"80\"\nfile {}").await, "listen tcp: address 80: missing port in address");
    }
}
