//! An ACME server (RFC 8555) that issues certificates for who answers on the port that serves them (RFC 8737).

pub(crate) mod messages;
mod session;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use serde_json::json;
use steeple_client::{HttpsTrust, SendError};
use steeple_clock::Clock;
use steeple_crypto::keys::{KeyError, KeyType, LocalSigner, PrivateKey, Signer};
use steeple_crypto::pem;
use steeple_crypto::tls::certified_key_of_signer;
use steeple_crypto::x509::{Name, X509Error, acme_challenge_certificate, csr_to_be_signed, finish_csr};

use self::messages::{Authorization, Challenge, Identifier, NewAccount, NewOrder, Order, Problem, Status};
use self::session::Session;
use crate::challenges::Challenges;
use crate::follow::Issue;
use crate::keys::{ACCOUNT_KEY, Keys};

/// The server that is asked when the configuration names none.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// How long to wait between two looks at something that the server works on, unless it says otherwise.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause that is kept.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Most authorizations that an order for one name may want.
const AUTHORIZATIONS: usize = 8;
/// The one challenge that is answered.
const TLS_ALPN: &str = "tls-alpn-01";

/// Says whether the terms of service behind a URL are accepted, and tells in the log.
pub type AcceptTerms = dyn Fn(&str) -> bool + Send + Sync;

/// How the server is spoken to.
pub struct AuthoritySettings {
    /// Its directory; [`LETS_ENCRYPT`] if empty.
    pub directory_url: String,
    /// Whom it may write to; nobody if empty.
    pub email: String,
    /// Who asks.
    pub user_agent: String,
    /// Asked when the account is registered and the server has terms.
    pub accept_terms: Box<AcceptTerms>,
}

/// Why a certificate was not issued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// The server could not be reached.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The system tells of no authorities.
    #[error("{0}")]
    Trust(String),
    /// The server says no.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// What the server says can't be read.
    #[error("{url:?}: {reason}")]
    Malformed {
        /// What was asked for.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The server gives no nonces.
    #[error("acme: nonce not found")]
    NoNonce,
    /// The server has made something and does not tell where.
    #[error("acme: {0} without a location")]
    NoLocation(&'static str),
    /// The server does not offer TLS-ALPN-01, or has given up on it.
    #[error("acme/autocert: unable to satisfy {url:?} for domain {domain:?}: no viable challenge type found")]
    NoChallenge {
        /// The authorization.
        url: String,
        /// For whom.
        domain: String,
    },
    /// The server was not convinced.
    #[error("acme: authorization error for {domain}: {reason}")]
    NotAuthorized {
        /// For whom.
        domain: String,
        /// Why, as it says.
        reason: String,
    },
    /// The order has come to nothing.
    #[error("acme/autocert: invalid order; order URL: {url:?}: {reason}")]
    OrderOver {
        /// The order.
        url: String,
        /// Why, as the server says.
        reason: String,
    },
    /// A key fails.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The answer to the challenge can't be made.
    #[error(transparent)]
    Answer(#[from] X509Error),
}

impl OrderError {
    fn malformed(url: &str, reason: &dyn std::fmt::Display) -> Self {
        Self::Malformed { url: url.to_owned(), reason: reason.to_string() }
    }
}

/// An ACME server, spoken to by one account.
pub(crate) struct Authority {
    settings: AuthoritySettings,
    keys: Arc<dyn Keys>,
    challenges: Challenges,
    clock: Clock,
}

impl Authority {
    /// The server of `settings`, whose challenges are answered by `challenges`. It is asked nothing yet.
    pub(crate) fn new(
        mut settings: AuthoritySettings,
        keys: Arc<dyn Keys>,
        challenges: Challenges,
        clock: Clock,
    ) -> Self {
        if settings.directory_url.is_empty() {
            LETS_ENCRYPT.clone_into(&mut settings.directory_url);
        }
        Self { settings, keys, challenges, clock }
    }

    /// Finds or registers the account (RFC 8555, section 7.3).
    async fn register(&self, session: &mut Session<'_>) -> Result<(), OrderError> {
        let terms = session.directory.meta.terms_of_service.clone();
        let terms_of_service_agreed = !terms.is_empty() && (self.settings.accept_terms)(&terms);
        let email = &self.settings.email;
        let contact = if email.is_empty() { Vec::new() } else { vec![format!("mailto:{email}")] };
        let url = session.directory.new_account.clone();
        let account = NewAccount { terms_of_service_agreed, contact };
        let (_, location) = session.send::<serde_json::Value>(&url, &account).await?;
        session.speak_for(location.ok_or(OrderError::NoLocation("account"))?);
        Ok(())
    }

    /// Proves that who serves `domain` wants the certificate (RFC 8555, section 7.5).
    async fn authorize(&self, session: &mut Session<'_>, url: &str, domain: &str) -> Result<(), OrderError> {
        let (authorization, _) = session.get::<Authorization>(url).await?;
        if authorization.status == Status::Valid {
            return Ok(());
        }
        let none = || OrderError::NoChallenge { url: url.to_owned(), domain: domain.to_owned() };
        let challenge = tls_alpn(authorization).ok_or_else(none)?;
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(session.jwk.thumbprint());
        let key = PrivateKey::generate(KeyType::EcP256)?;
        let proof = format!("{}.{thumbprint}", challenge.token);
        let certificate = acme_challenge_certificate(domain, &proof, &key, self.clock.now())?;
        let certificate = certified_key_of_signer(&[certificate], Arc::new(LocalSigner(key)));
        let _open = self.challenges.open(domain, certificate);
        session.send::<serde_json::Value>(&challenge.url, &json!({})).await?;
        loop {
            let (authorization, headers) = session.get::<Authorization>(url).await?;
            match authorization.status {
                Status::Valid => return Ok(()),
                Status::Pending | Status::Processing => self.pause(&headers).await,
                Status::Ready | Status::Over => {
                    let reason = tls_alpn(authorization).and_then(|challenge| challenge.error);
                    let reason = reason.map_or_else(|| "no reason given".to_owned(), |problem| problem.to_string());
                    return Err(OrderError::NotAuthorized { domain: domain.to_owned(), reason });
                }
            }
        }
    }

    /// Looks at the order until it is in one of these states.
    async fn await_order(&self, session: &mut Session<'_>, url: &str, wanted: &[Status]) -> Result<Order, OrderError> {
        loop {
            let (order, headers) = session.get::<Order>(url).await?;
            match order.status {
                status if wanted.contains(&status) => return Ok(order),
                Status::Over => {
                    let reason = order.error.map_or_else(|| "no reason given".to_owned(), |error| error.to_string());
                    return Err(OrderError::OrderOver { url: url.to_owned(), reason });
                }
                _ => self.pause(&headers).await,
            }
        }
    }

    /// Waits as long as the server asks to.
    async fn pause(&self, headers: &HeaderMap) {
        let told = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let told = told.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        self.clock.sleep(told.unwrap_or(PAUSE).clamp(PAUSE, LONGEST_PAUSE)).await;
    }
}

#[async_trait]
impl Issue for Authority {
    async fn issue(&self, domain: &str, key: &dyn Signer) -> Result<Vec<Vec<u8>>, OrderError> {
        let account_key = match self.keys.key(ACCOUNT_KEY).await? {
            Some(key) => key,
            None => self.keys.new_key(ACCOUNT_KEY).await?,
        };
        let trust = tokio::task::spawn_blocking(HttpsTrust::web_pki).await;
        let trust = trust.map_err(|error| OrderError::Trust(error.to_string()))?.map_err(OrderError::Trust)?;
        let AuthoritySettings { directory_url, user_agent, .. } = &self.settings;
        let mut session = Session::begin(directory_url, &*account_key, trust, user_agent).await?;
        let session = &mut session;
        self.register(session).await?;
        let identifiers = [Identifier { kind: "dns", value: domain }];
        let new_order = session.directory.new_order.clone();
        let (order, url) = session.send::<Order>(&new_order, &NewOrder { identifiers }).await?;
        let url = url.ok_or(OrderError::NoLocation("order"))?;
        for authorization in order.authorizations.iter().take(AUTHORIZATIONS) {
            self.authorize(session, authorization, domain).await?;
        }
        let order = self.await_order(session, &url, &[Status::Ready, Status::Valid]).await?;
        let csr = BASE64_URL_SAFE_NO_PAD.encode(request(domain, key).await?);
        session.send::<Order>(&order.finalize, &json!({ "csr": csr })).await?;
        let order = self.await_order(session, &url, &[Status::Valid]).await?;
        let certificate = order.certificate.ok_or(OrderError::NoLocation("certificate"))?;
        let text = session.get_bytes(&certificate).await?;
        let text = String::from_utf8_lossy(&text);
        pem::certificates(&text).map_err(|error| OrderError::malformed(&certificate, &error))
    }
}

/// The challenge that is answered.
fn tls_alpn(authorization: Authorization) -> Option<Challenge> {
    authorization.challenges.into_iter().find(|challenge| challenge.kind == TLS_ALPN)
}

/// The request for a certificate of `key` (RFC 2986).
async fn request(domain: &str, key: &dyn Signer) -> Result<Vec<u8>, KeyError> {
    let algorithm = key.public_key().certificate_signature()?;
    let body = csr_to_be_signed(&Name::default(), key.public_key(), &[], &[domain.to_owned()]);
    let signature = key.sign(algorithm, &body).await?;
    Ok(finish_csr(&body, algorithm, &signature))
}
