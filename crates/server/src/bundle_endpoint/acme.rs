//! The bundle endpoint's certificate by ACME: its keys are kept by the server's key manager, its chain in a file.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use steeple_acme::{AcmeCertificates, AuthoritySettings, Cache, Follow, Keys, LETS_ENCRYPT, Names};
use steeple_clock::Clock;
use steeple_crypto::keys::{KeyError, KeyType, Signer};
use steeple_plugin::{KeyManager, PluginError};
use tracing::{info, warn};

/// What stands before a key's identifier in the key manager.
const KEY_PREFIX: &str = "bundle-acme-";
/// What the log calls it.
const SUBSYSTEM: &str = "bundle_acme";
const NOT_ACCEPTED: &str = "ACME Terms of Service have not been accepted. See the `tos_accepted` configurable";

/// A certificate by ACME (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeSettings {
    /// For whom it is.
    pub domain_name: String,
    /// The directory of the ACME server; Let's Encrypt's if empty.
    pub directory_url: String,
    /// Whom that server may write to.
    pub email: String,
    /// Whether its terms of service are accepted.
    pub tos_accepted: bool,
    /// The folder in which the chain is kept.
    pub cache_dir: PathBuf,
}

impl AcmeSettings {
    /// The certificate that is kept, if any, and the task that has others issued. `keys` keeps theirs.
    pub(super) async fn start(&self, keys: Arc<dyn KeyManager>, clock: &Clock) -> (AcmeCertificates, Follow) {
        if !self.tos_accepted {
            warn!(subsystem_name = SUBSYSTEM, "{NOT_ACCEPTED}");
        }
        let settings = AuthoritySettings {
            directory_url: self.directory_url.clone(),
            email: self.email.clone(),
            user_agent: concat!("steeple/", env!("CARGO_PKG_VERSION")).to_owned(),
            accept_terms: self.terms(),
        };
        let (names, cache) = (Names::new([self.domain_name.as_str()]), Cache::Folder(self.cache_dir.clone()));
        let keys = Arc::new(ManagedKeys(keys));
        steeple_acme::start(&names, settings, keys, Arc::new(cache), clock.clone(), Some(SUBSYSTEM)).await
    }

    fn terms(&self) -> Box<steeple_acme::AcceptTerms> {
        let Self { directory_url, email, tos_accepted, .. } = self.clone();
        let directory_url = if directory_url.is_empty() { LETS_ENCRYPT.to_owned() } else { directory_url };
        Box::new(move |tos_url| {
            if tos_accepted {
                info!(directory_url, email, tos_url, subsystem_name = SUBSYSTEM, "ACME Terms of Service accepted");
            } else {
                warn!(directory_url, email, tos_url, subsystem_name = SUBSYSTEM, "{NOT_ACCEPTED}");
            }
            tos_accepted
        })
    }
}

/// Keys in a key manager, as `bundle-acme-` and their identifier.
struct ManagedKeys(Arc<dyn KeyManager>);

#[async_trait]
impl Keys for ManagedKeys {
    async fn key(&self, id: &str) -> Result<Option<Arc<dyn Signer>>, KeyError> {
        let key = self.0.key(&format!("{KEY_PREFIX}{id}")).await.map_err(|error| failed(&error))?;
        Ok(key.map(|key| key.signer))
    }

    async fn new_key(&self, id: &str) -> Result<Arc<dyn Signer>, KeyError> {
        let id = format!("{KEY_PREFIX}{id}");
        let key = self.0.generate_key(&id, KeyType::EcP256).await.map_err(|error| failed(&error))?;
        info!(id, subsystem_name = SUBSYSTEM, "Generated new key");
        Ok(key.signer)
    }
}

fn failed(error: &PluginError) -> KeyError {
    KeyError::Failed(error.to_string())
}
