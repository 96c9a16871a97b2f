//! Key managers that keep keys in this process: `memory`, and `disk` in SPIRE's file.

mod disk;
mod file;
mod memory;
mod observed;

pub use disk::DiskKeys;
pub use memory::MemoryKeys;
pub use observed::{KeyCall, KeyObserver, ObservedKeys};

use std::sync::Arc;

use steeple_crypto::keys::{KeyError, KeyType, LocalSigner, PrivateKey};
use steeple_plugin::{ErrorClass, ManagedKey, PluginError};

/// Type of these plugins in error texts.
const KIND: &str = "keymanager";

fn internal(name: &str, message: impl Into<String>) -> PluginError {
    PluginError::new(KIND, name, ErrorClass::Internal, message)
}

/// Makes a key off the async threads, since RSA keys take long.
async fn generate(name: &str, key_type: KeyType) -> Result<PrivateKey, PluginError> {
    let made = tokio::task::spawn_blocking(move || PrivateKey::generate(key_type)).await;
    made.unwrap_or_else(|error| Err(KeyError::Failed(error.to_string())))
        .map_err(|error| internal(name, format!("unable to generate key: {error}")))
}

fn managed(id: &str, signer: &Arc<LocalSigner>) -> ManagedKey {
    ManagedKey { id: id.to_owned(), signer: Arc::clone(signer) as Arc<_> }
}
