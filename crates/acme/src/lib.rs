//! Certificates of the Web PKI by ACME (RFC 8555), as Go's autocert has them: asked for when the first client comes, proven on
//! the port that serves them (TLS-ALPN-01, RFC 8737), kept in files of the same form, renewed before their end.

mod authority;
mod cache;
mod certificates;
mod challenges;
mod follow;
mod kept;
mod keys;
mod names;
mod renewal;

use std::sync::Arc;

use steeple_clock::Clock;

pub use authority::{AcceptTerms, AuthoritySettings, LETS_ENCRYPT};
pub use cache::Cache;
pub use certificates::AcmeCertificates;
pub use follow::Follow;
pub use keys::{ACCOUNT_KEY, FileKeys, Keys};
pub use names::Names;

use authority::Authority;
use challenges::Challenges;

/// The certificates of `names`, those that are kept and hold from the beginning, and the task that has others issued by the
/// ACME server of `settings`, which is asked nothing yet. `subsystem` stands in the log.
pub async fn start(
    names: &Names,
    settings: AuthoritySettings,
    keys: Arc<dyn Keys>,
    cache: Arc<Cache>,
    clock: Clock,
    subsystem: Option<&'static str>,
) -> (AcmeCertificates, Follow) {
    let challenges = Challenges::default();
    let authority = Authority::new(settings, Arc::clone(&keys), challenges.clone(), clock.clone());
    Follow::start(names, challenges, Box::new(authority), keys, cache, clock, subsystem).await
}
