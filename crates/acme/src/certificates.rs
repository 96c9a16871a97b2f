//! What clients are shown.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::sign::CertifiedKey;
use steeple_clock::Clock;
use steeple_crypto::tls::{ACME_TLS_ALPN, Greeting, KeyExchange, WebCertificates, web_server_config};
use steeple_net::web::AwaitedCertificates;
use tokio::sync::{Semaphore, mpsc, watch};
use tracing::debug;

use crate::challenges::Challenges;
use crate::names::Names;

/// Most clients that wait for certificates at once; an ACME server must still get in.
const WAITING: usize = 64;
/// How long a client waits for a certificate.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why a client is shown no certificate, in the words of autocert.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It does not tell whom it wants.
    #[error("acme/autocert: missing server name")]
    NoName,
    /// It wants a name that no certificate can be had for.
    #[error("acme/autocert: server name component count invalid")]
    NoDomain,
    /// It wants a name that is not configured.
    #[error("acme/autocert: host {0:?} not configured in HostWhitelist")]
    NotConfigured(String),
    /// It looks for the answer to a challenge that is not open.
    #[error("acme/autocert: no token cert for {0:?}")]
    NoChallenge(String),
    /// There is no certificate yet.
    #[error("acme/autocert: missing certificate")]
    NoCertificate,
    /// Too many clients wait already.
    #[error("{WAITING} clients wait for certificates already")]
    TooMany,
}

/// What there is for a name.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// Nothing yet.
    Nothing,
    /// This.
    Certificate(Arc<CertifiedKey>),
    /// Nothing; it could not be had, and is not to be asked for before this time.
    Failed(Timestamp),
}

/// The certificates of the configured names, and the answers to challenges. Clones are the same.
#[derive(Clone)]
pub struct AcmeCertificates(Arc<Shared>);

struct Shared {
    names: BTreeMap<String, watch::Sender<Held>>,
    challenges: Challenges,
    wanted: mpsc::Sender<String>,
    waiting: Semaphore,
    clock: Clock,
}

impl AcmeCertificates {
    /// No certificates yet for these names; those that clients want are told to the receiver.
    pub(crate) fn new(names: &Names, challenges: Challenges, clock: Clock) -> (Self, mpsc::Receiver<String>) {
        let (wanted, told) = mpsc::channel(WAITING);
        let names = names.iter().map(|name| (name.to_owned(), watch::Sender::new(Held::Nothing))).collect();
        let waiting = Semaphore::new(WAITING);
        (Self(Arc::new(Shared { names, challenges, wanted, waiting, clock })), told)
    }

    /// Settings of a TLS server that shows them and answers challenges.
    ///
    /// # Errors
    /// When the crypto provider lacks what is needed.
    pub fn server_config(&self, exchange: KeyExchange) -> Result<ServerConfig, rustls::Error> {
        let mut config = web_server_config(Arc::new(self.clone()), exchange)?;
        config.alpn_protocols.push(ACME_TLS_ALPN.to_vec());
        Ok(config)
    }

    /// What there is for a name; nothing changes for others.
    pub(crate) fn put(&self, name: &str, held: Held) {
        if let Some(place) = self.0.names.get(name) {
            place.send_replace(held);
        }
    }

    /// What there is for a name.
    pub(crate) fn held(&self, name: &str) -> Held {
        self.0.names.get(name).map_or(Held::Nothing, |place| place.borrow().clone())
    }

    /// What is shown to a client now.
    fn shown(&self, greeting: &Greeting) -> Result<Arc<CertifiedKey>, Refusal> {
        let name = wanted_name(greeting)?;
        if greeting.is_acme_challenge {
            return self.0.challenges.answer(&name).ok_or(Refusal::NoChallenge(name));
        }
        let place = self.0.names.get(&name).ok_or(Refusal::NotConfigured(name))?;
        match &*place.borrow() {
            Held::Certificate(certificate) => Ok(Arc::clone(certificate)),
            Held::Nothing | Held::Failed(_) => Err(Refusal::NoCertificate),
        }
    }

    /// Waits until a name has a certificate or none could be had.
    async fn wait_for(&self, name: String) -> Result<(), Refusal> {
        let Shared { names, wanted, waiting, clock, .. } = &*self.0;
        let place = names.get(&name).ok_or_else(|| Refusal::NotConfigured(name.clone()))?;
        let mut held = place.subscribe();
        match &*held.borrow_and_update() {
            Held::Certificate(_) => return Ok(()),
            Held::Failed(again_at) if clock.now() < *again_at => return Err(Refusal::NoCertificate),
            Held::Nothing | Held::Failed(_) => {}
        }
        let _turn = waiting.try_acquire().map_err(|_| Refusal::TooMany)?;
        // When so many are told of that this one finds no place, its certificate may come still.
        let _told = wanted.try_send(name);
        match clock.timeout(PATIENCE, held.changed()).await {
            Ok(Ok(())) if matches!(&*held.borrow(), Held::Certificate(_)) => Ok(()),
            _ => Err(Refusal::NoCertificate),
        }
    }

    pub(crate) async fn awaited(&self, greeting: &Greeting) -> Result<(), Refusal> {
        let name = wanted_name(greeting)?;
        if greeting.is_acme_challenge {
            return self.shown(greeting).map(drop);
        }
        self.wait_for(name).await
    }
}

/// The name that a client wants, in the form in which DNS has it.
fn wanted_name(greeting: &Greeting) -> Result<String, Refusal> {
    let name = greeting.server_name.as_deref().filter(|name| !name.is_empty()).ok_or(Refusal::NoName)?;
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if name.contains('.') { Ok(name) } else { Err(Refusal::NoDomain) }
}

impl fmt::Debug for AcmeCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AcmeCertificates")
    }
}

impl WebCertificates for AcmeCertificates {
    fn certificate(&self, greeting: &Greeting) -> Option<Arc<CertifiedKey>> {
        self.shown(greeting).ok()
    }
}

#[async_trait]
impl AwaitedCertificates for AcmeCertificates {
    async fn await_certificate(&self, greeting: &Greeting) {
        if let Err(refusal) = self.awaited(greeting).await {
            debug!(error = %refusal, "TLS handshake refused");
        }
    }
}
