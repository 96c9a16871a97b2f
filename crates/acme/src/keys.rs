//! The keys of certificates and of the account.

use std::sync::Arc;

use async_trait::async_trait;
use steeple_crypto::keys::{KeyError, KeyType, LocalSigner, PrivateKey, Signer};
use steeple_crypto::pem;
use zeroize::Zeroizing;

use crate::cache::Cache;

/// The identifier of the account's key, and the name of its file.
pub const ACCOUNT_KEY: &str = "acme_account+key";

/// Keeps the keys of certificates, each called after its domain, and that of the account, [`ACCOUNT_KEY`].
#[async_trait]
pub trait Keys: Send + Sync {
    /// The key of this identifier.
    ///
    /// # Errors
    /// [`KeyError`] when it can't be read.
    async fn key(&self, id: &str) -> Result<Option<Arc<dyn Signer>>, KeyError>;

    /// Makes a key of P-256 under this identifier, in the place of the one that was there.
    ///
    /// # Errors
    /// [`KeyError`] when it can't be made or kept.
    async fn new_key(&self, id: &str) -> Result<Arc<dyn Signer>, KeyError>;
}

/// Keys in the files of a cache, each before the certificates of its domain.
pub struct FileKeys(pub Arc<Cache>);

#[async_trait]
impl Keys for FileKeys {
    async fn key(&self, id: &str) -> Result<Option<Arc<dyn Signer>>, KeyError> {
        let Some(text) = self.0.read(id).map_err(|error| failed("read", id, &error))? else { return Ok(None) };
        // A file without a key is as good as none, as in autocert.
        let key = PrivateKey::from_pem(&text).ok();
        Ok(key.map(|key| Arc::new(LocalSigner(key)) as Arc<dyn Signer>))
    }

    async fn new_key(&self, id: &str) -> Result<Arc<dyn Signer>, KeyError> {
        let key = PrivateKey::generate(KeyType::EcP256)?;
        let text = Zeroizing::new(pem::encode("PRIVATE KEY", &key.to_pkcs8()?));
        self.0.write(id, &text).map_err(|error| failed("written", id, &error))?;
        Ok(Arc::new(LocalSigner(key)))
    }
}

fn failed(done: &str, id: &str, error: &std::io::Error) -> KeyError {
    KeyError::Failed(format!("key {id:?} can't be {done}: {}", steeple_config::os_text(error)))
}
