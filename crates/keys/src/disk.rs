//! `disk`: keys in one JSON file, replaced as a whole at each change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use steeple_crypto::keys::{KeyType, LocalSigner, PrivateKey};
use steeple_plugin::{ErrorClass, KeyManager, ManagedKey, PluginError};
use tokio::sync::Mutex;

use crate::{KIND, file, generate, internal, managed};

const NAME: &str = "disk";

/// Keeps keys in memory and in a file of SPIRE's form, `{"keys":{"<id>":"<base64 of PKCS#8>"}}`.
pub struct DiskKeys {
    path: PathBuf,
    keys: Mutex<BTreeMap<String, Arc<LocalSigner>>>,
}

impl DiskKeys {
    /// Opens the file at `path`; it is made with the first key.
    ///
    /// # Errors
    /// [`PluginError`] that names the file when it can't be read or holds something else than keys.
    pub fn open(path: PathBuf) -> Result<Self, PluginError> {
        let wrong = |reason: String| {
            let message = format!(
                "unable to load keys from {}: {reason}; restore it from a backup, or move it away to begin with new keys",
                path.display()
            );
            PluginError::new(KIND, NAME, ErrorClass::Malformed, message)
        };
        let mut keys = BTreeMap::new();
        for (id, der) in file::read(&path).map_err(|error| wrong(error.to_string()))? {
            let key = PrivateKey::from_pkcs8(&der).map_err(|error| wrong(format!("key {id:?}: {error}")))?;
            keys.insert(id, Arc::new(LocalSigner(key)));
        }
        Ok(Self { path, keys: Mutex::new(keys) })
    }

    fn write(&self, keys: &BTreeMap<String, Arc<LocalSigner>>) -> Result<(), PluginError> {
        let mut encoded = BTreeMap::new();
        for (id, signer) in keys {
            let der = signer.0.to_pkcs8().map_err(|error| internal(NAME, error.to_string()))?;
            encoded.insert(id.as_str(), der);
        }
        file::write(&self.path, &encoded)
            .map_err(|error| internal(NAME, format!("unable to write {}: {error}", self.path.display())))
    }
}

#[async_trait]
impl KeyManager for DiskKeys {
    fn name(&self) -> &str {
        NAME
    }

    async fn generate_key(&self, id: &str, key_type: KeyType) -> Result<ManagedKey, PluginError> {
        let signer = Arc::new(LocalSigner(generate(NAME, key_type).await?));
        let mut keys = self.keys.lock().await;
        let mut next = keys.clone();
        next.insert(id.to_owned(), Arc::clone(&signer));
        self.write(&next)?;
        *keys = next;
        Ok(managed(id, &signer))
    }

    async fn key(&self, id: &str) -> Result<Option<ManagedKey>, PluginError> {
        Ok(self.keys.lock().await.get(id).map(|signer| managed(id, signer)))
    }

    async fn keys(&self) -> Result<Vec<ManagedKey>, PluginError> {
        Ok(self.keys.lock().await.iter().map(|(id, signer)| managed(id, signer)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn keys_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        let keys = DiskKeys::open(path.clone()).unwrap();
        let made = keys.generate_key("x509-CA-A", KeyType::EcP256).await.unwrap();
        keys.generate_key("JWT-Signer-A", KeyType::EcP384).await.unwrap();
        let again = DiskKeys::open(path.clone()).unwrap();
        let found = again.key("x509-CA-A").await.unwrap().unwrap();
        assert_eq!(found.signer.public_key(), made.signer.public_key());
        assert_eq!(again.keys().await.unwrap().len(), 2);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn failed_write_keeps_the_key_that_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("gone");
        std::fs::create_dir(&folder).unwrap();
        let keys = DiskKeys::open(folder.join("keys.json")).unwrap();
        let first = keys.generate_key("a", KeyType::EcP256).await.unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let error = keys.generate_key("a", KeyType::EcP256).await.err().unwrap();
        assert!(error.to_string().starts_with("keymanager(disk): unable to write "), "{error}");
        assert_eq!(keys.key("a").await.unwrap().unwrap().signer.public_key(), first.signer.public_key());
    }

    #[test]
    fn damaged_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        for text in ["", "{", r#"{"keys":{"a":"AAAA"}}"#, r#"{"keys":{"a":"*"}}"#, "[{}]"] {
            std::fs::write(&path, text).unwrap();
            let error = DiskKeys::open(path.clone()).err().unwrap().to_string();
            assert!(error.contains("keys.json"), "{error}");
        }
    }
}
