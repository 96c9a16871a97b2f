//! Who this server is to the one above: the first X.509-SVID of its Workload API, with the bundle that comes along.
//!
//! The stream of the Workload API stays open. What has arrived on it is taken over before each call of the upstream server.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use parking_lot::RwLock;
use rustls::sign::CertifiedKey;
use steeple_client::{connect_unix, describe_with_causes, workload_request};
use steeple_clock::{Clock, Elapsed};
use steeple_crypto::random;
use steeple_crypto::tls::{TlsSource, certified_key};
use steeple_crypto::x509::Certificate;
use steeple_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use steeple_proto::workload::{X509svidRequest, X509svidResponse};
use steeple_runtime::Backoff;
use steeple_types::TrustDomain;
use tokio::sync::Mutex;
use tonic::Streaming;
use tonic::transport::Channel;
use tracing::{debug, warn};
use zeroize::Zeroizing;

/// Longest that an identity is waited for when there is none: agent and server may be starting at the same time.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest that the Workload API may take to answer when there is an identity.
const BRIEFLY: Duration = Duration::from_secs(2);
/// First and longest pause between attempts.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// The identity, as far as it is known.
pub(super) struct WorkloadIdentity {
    socket: PathBuf,
    trust_domain: TrustDomain,
    clock: Clock,
    /// Held while it is read: who comes second finds what the first one has read.
    stream: Mutex<Option<Open>>,
    known: RwLock<Option<Known>>,
}

/// A stream of the Workload API, on a connection of its own.
struct Open {
    answers: Streaming<X509svidResponse>,
    _connection: SpiffeWorkloadApiClient<Channel>,
}

/// What an answer of the Workload API says.
struct Known {
    key: Arc<CertifiedKey>,
    not_after: Timestamp,
    /// DER each.
    authorities: Vec<Vec<u8>>,
}

impl WorkloadIdentity {
    pub(super) fn new(socket: &Path, trust_domain: TrustDomain, clock: Clock) -> Arc<Self> {
        let socket = socket.to_owned();
        Arc::new(Self { socket, trust_domain, clock, stream: Mutex::default(), known: RwLock::default() })
    }

    /// Takes over what the Workload API has told, and yields the certificate and key to show. While the Workload API does not
    /// answer, what it last told is good for as long as it holds.
    ///
    /// # Errors
    /// A text, when there is no identity.
    pub(super) async fn current(&self) -> Result<Arc<CertifiedKey>, String> {
        let mut stream = self.stream.lock().await;
        let patience = if self.valid().is_some() { BRIEFLY } else { PATIENCE };
        let mut failure = Elapsed.to_string();
        let reading = self.clock.timeout(patience, self.read_until_valid(&mut stream, &mut failure));
        let _late = reading.await;
        let key = self.valid().ok_or_else(|| format!("unable to create X509Source: {failure}"))?;
        if stream.is_none() {
            let text = "Workload API does not answer; going on with what it told last";
            warn!(error = failure, plugin_name = super::NAME, "{text}");
        }
        Ok(key)
    }

    /// Reads again and again as long as there is no identity; tells the last failure.
    async fn read_until_valid(&self, stream: &mut Option<Open>, failure: &mut String) {
        let mut backoff = Backoff::new(RETRY.0, 2.0, RETRY.1);
        loop {
            match self.read(stream).await {
                Ok(()) => "the X.509-SVID of the Workload API has expired".clone_into(failure),
                Err(error) => {
                    *stream = None;
                    *failure = error;
                }
            }
            if self.valid().is_some() {
                return;
            }
            debug!(error = *failure, plugin_name = super::NAME, "No identity from the Workload API yet; trying again");
            self.clock.sleep(backoff.pause(random::fraction())).await;
        }
    }

    /// Reads what has arrived; the first answer of a stream is waited for.
    async fn read(&self, stream: &mut Option<Open>) -> Result<(), String> {
        if let Some(open) = stream {
            while let Some(next) = open.answers.message().now_or_never() {
                if let Ok(Some(answer)) = next {
                    self.take_over(&answer)?;
                } else {
                    // Agents restart; the next stream tells more.
                    *stream = None;
                    break;
                }
            }
        }
        if stream.is_some() {
            return Ok(());
        }
        let mut client = SpiffeWorkloadApiClient::new(connect_unix(&self.socket));
        let first = async {
            let mut answers = client.fetch_x509svid(workload_request(X509svidRequest {})).await?.into_inner();
            Ok((answers.message().await?, answers))
        };
        let (answer, answers) = first.await.map_err(|status: tonic::Status| describe_with_causes(&status))?;
        self.take_over(&answer.ok_or("the stream ended without an answer")?)?;
        *stream = Some(Open { answers, _connection: client });
        Ok(())
    }

    fn take_over(&self, answer: &X509svidResponse) -> Result<(), String> {
        let svid = answer.svids.first().ok_or("the Workload API gave no X.509-SVID")?;
        let chain = certificates(&svid.x509_svid)?;
        let leaf = chain.first().ok_or("the Workload API gave an empty X.509-SVID")?;
        let id = leaf.spiffe_id().map_err(|error| error.to_string())?;
        if !id.member_of(&self.trust_domain) {
            let own = &self.trust_domain;
            return Err(format!(
                "the Workload API gave the X.509-SVID of {id}, which is not of the trust domain {own}"
            ));
        }
        let ders: Vec<Vec<u8>> = chain.iter().map(|certificate| certificate.der().to_vec()).collect();
        let key =
            certified_key(&ders, &Zeroizing::new(svid.x509_svid_key.clone())).map_err(|error| error.to_string())?;
        let authorities = certificates(&svid.bundle)?.iter().map(|authority| authority.der().to_vec()).collect();
        *self.known.write() = Some(Known { key, not_after: leaf.not_after(), authorities });
        Ok(())
    }

    fn valid(&self) -> Option<Arc<CertifiedKey>> {
        let known = self.known.read();
        known.as_ref().filter(|known| known.not_after > self.clock.now()).map(|known| Arc::clone(&known.key))
    }
}

fn certificates(ders: &[u8]) -> Result<Vec<Certificate>, String> {
    Certificate::many_from_der(ders).map_err(|error| format!("a certificate of the Workload API: {error}"))
}

impl TlsSource for WorkloadIdentity {
    fn identity(&self) -> Option<Arc<CertifiedKey>> {
        self.valid()
    }

    fn authorities(&self, trust_domain: &TrustDomain) -> Vec<Vec<u8>> {
        if *trust_domain != self.trust_domain {
            return Vec::new();
        }
        self.known.read().as_ref().map(|known| known.authorities.clone()).unwrap_or_default()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
