//! Where keys come from, asked again and again.

mod file;
mod server_api;
mod workload_api;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use steeple_client::describe;
use steeple_clock::Clock;
use steeple_config::format_duration;
use steeple_crypto::jwk::Jwk;
use steeple_runtime::Shutdown;
use steeple_types::{IdError, TrustDomain};
use tokio::sync::watch;
use tonic::Status;
use tracing::{debug, error, warn};

use crate::config::SourceKind;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the source has told.
#[derive(Clone, Debug, Default)]
pub struct Polled {
    /// The keys as they were told last; `None` until they are told for the first time.
    pub keys: Option<KeySet>,
    /// When the source told them last, by the clock's monotonic time.
    pub succeeded_at: Option<Duration>,
}

/// Keys that were told.
#[derive(Clone, Debug)]
pub struct KeySet {
    /// The keys, with their algorithms.
    pub keys: Arc<[Jwk]>,
    /// Since when they are the ones.
    pub changed_at: Timestamp,
}

/// Tells the keys of now.
#[async_trait]
pub(crate) trait Source: Send {
    /// Asks once.
    async fn keys(&mut self) -> Result<Vec<Jwk>, SourceError>;
}

/// Why there is no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChooseError {
    /// The target names another machine.
    #[error("failed to build resolver: invalid (non-empty) authority: {0}")]
    Authority(String),
    /// The trust domain is none.
    #[error(transparent)]
    TrustDomain(#[from] IdError),
    /// The path can't be made absolute.
    #[error("failed to get absolute path for socket path: {0}")]
    Path(String),
}

/// Why the source did not tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// The server did not answer with its bundle.
    #[error("{}", describe(.0))]
    ServerApi(Status),
    /// The Workload API did not answer with bundles.
    #[error("{0}")]
    WorkloadApi(String),
    /// The bundle is not among those that the Workload API tells.
    #[error("no bundle of {0}")]
    NoBundle(TrustDomain),
    /// The file is no bundle.
    #[error("{0}")]
    File(String),
}

impl SourceError {
    fn log(&self) {
        match self {
            Self::ServerApi(_) => warn!(error = %self, "Failed to fetch bundle"),
            Self::WorkloadApi(_) => warn!(error = %self, "Failed to fetch JWKS from the Workload API"),
            Self::File(_) => warn!(error = %self, "Failed to load SPIFFE trust bundle"),
            Self::NoBundle(trust_domain) => error!(
                trust_domain_id = trust_domain.id_string(),
                "No bundle for trust domain in Workload API response"
            ),
        }
    }
}

/// The source that the configuration asks for. Needs a runtime for its channel.
///
/// # Errors
/// [`ChooseError`].
pub(crate) fn choose(kind: &SourceKind, clock: &Clock) -> Result<Box<dyn Source>, ChooseError> {
    Ok(match kind {
        SourceKind::ServerApi(target) => {
            let socket = socket_of(target)?;
            Box::new(server_api::ServerApi::new(steeple_client::connect_unix(&socket), clock.clone()))
        }
        SourceKind::WorkloadApi(socket, trust_domain) => {
            let socket = std::path::absolute(socket).map_err(|error| ChooseError::Path(error.to_string()))?;
            let trust_domain = TrustDomain::parse(trust_domain)?;
            let channel = steeple_client::connect_unix(&socket);
            Box::new(workload_api::WorkloadApi::new(channel, trust_domain, clock.clone()))
        }
        SourceKind::File(path) => Box::new(file::BundleFile::new(path.clone())),
    })
}

/// The path of a gRPC target of the Unix name system: `unix:path` or `unix:///path`.
fn socket_of(target: &str) -> Result<PathBuf, ChooseError> {
    let path = target.strip_prefix("unix:").unwrap_or(target);
    let Some(rest) = path.strip_prefix("//") else { return Ok(PathBuf::from(path)) };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.is_empty() { Ok(PathBuf::from(path)) } else { Err(ChooseError::Authority(authority.to_owned())) }
}

/// Asks `source` every `interval` until the shutdown, and lets `polled` know. What fails leaves the keys as they are.
pub(crate) async fn poll(
    mut source: Box<dyn Source>,
    interval: Duration,
    polled: watch::Sender<Polled>,
    clock: Clock,
    shutdown: Shutdown,
) {
    debug!(interval = format_duration(interval), "Polling started");
    loop {
        match shutdown.until(source.keys()).await {
            None => break,
            Some(Ok(keys)) => polled.send_modify(|polled| take(polled, keys, &clock)),
            Some(Err(error)) => error.log(),
        }
        if shutdown.until(clock.sleep(interval)).await.is_none() {
            break;
        }
    }
    debug!("Polling done");
}

fn take(polled: &mut Polled, keys: Vec<Jwk>, clock: &Clock) {
    polled.succeeded_at = Some(clock.monotonic());
    if polled.keys.as_ref().is_none_or(|known| *known.keys != *keys) {
        polled.keys = Some(KeySet { keys: keys.into(), changed_at: clock.now() });
    }
}

/// A call to a socket that takes too long ends as Go's do.
async fn in_time<T>(clock: &Clock, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = |_| Status::deadline_exceeded("context deadline exceeded");
    clock.timeout(PATIENCE, call).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::keys::key;
    use crate::testing::ec_key;

    /// Tells what it was given, one after the other.
    struct Told(VecDeque<Result<Vec<Jwk>, SourceError>>);

    #[async_trait]
    impl Source for Told {
        async fn keys(&mut self) -> Result<Vec<Jwk>, SourceError> {
            self.0.pop_front().unwrap()
        }
    }

    fn keys(kid: &str) -> Vec<Jwk> {
        vec![key(kid, &ec_key()).unwrap()]
    }

    #[tokio::test]
    async fn keys_are_polled_and_what_fails_leaves_them() {
        let (clock, hand) = Clock::manual(Timestamp::UNIX_EPOCH);
        let failed = || Err(SourceError::File("broken".to_owned()));
        let told = [failed(), Ok(keys("one")), Ok(keys("one")), failed(), Ok(keys("two")), Ok(Vec::new())];
        let (polled, shutdown) = (watch::Sender::new(Polled::default()), Shutdown::new());
        let seen = polled.subscribe();
        let source = Box::new(Told(told.into()));
        let polling = poll(source, Duration::from_secs(10), polled, clock, shutdown.clone());
        let looking = async {
            // Key, since when it is known, and when it was told last; in seconds.
            for expected in [
                (None, None),
                (Some(("one", 10)), Some(10)),
                (Some(("one", 10)), Some(20)),
                (Some(("one", 10)), Some(20)),
                (Some(("two", 40)), Some(40)),
            ] {
                hand.wait_for_sleepers(1).await;
                {
                    let polled = seen.borrow();
                    let known = polled.keys.as_ref();
                    let known = known.map(|set| (set.keys[0].kid.as_str(), set.changed_at.as_second()));
                    assert_eq!((known, polled.succeeded_at.map(|at| at.as_secs())), expected);
                }
                hand.advance(Duration::from_secs(10));
            }
            hand.wait_for_sleepers(1).await;
            assert!(seen.borrow().keys.as_ref().unwrap().keys.is_empty(), "keys that are gone are gone");
            shutdown.trigger();
        };
        tokio::join!(polling, looking);
    }

    #[test]
    fn targets_are_those_of_grpc() {
        for (target, path) in [("unix:///a/b.sock", "/a/b.sock"), ("unix:a/b", "a/b"), ("unix:/a", "/a")] {
            assert_eq!(socket_of(target).unwrap(), PathBuf::from(path), "{target}");
        }
        let error = socket_of("unix://host/a").unwrap_err();
        assert_eq!(error.to_string(), "failed to build resolver: invalid (non-empty) authority: host");
    }

    #[tokio::test]
    async fn trust_domain_of_the_workload_api_must_be_one() {
        let kind = SourceKind::WorkloadApi("/w".into(), "Bad".to_owned());
        let error = choose(&kind, &Clock::system()).err().unwrap();
        assert_eq!(error, ChooseError::TrustDomain(IdError::BadTrustDomainChar));
    }
}
