//! The agent's half: shows the certificate and answers the challenge.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use steeple_crypto::keys::PrivateKey;
use steeple_crypto::pem;
use steeple_plugin::{AgentNodeAttestor, AttestationAttempt, ErrorClass, PluginError};
use zeroize::Zeroizing;

use super::NAME;
use super::wire::{Bytes, Challenge, Payload};
use crate::error;

/// What the agent's half is told by its configuration.
#[derive(Clone, Debug)]
pub struct X509PopAgentConfig {
    /// Private key, PEM (`private_key_path`).
    pub private_key_path: PathBuf,
    /// Certificate and optionally its issuers, PEM (`certificate_path`).
    pub certificate_path: PathBuf,
    /// Further issuers, PEM (`intermediates_path`).
    pub intermediates_path: Option<PathBuf>,
}

/// The agent's half. Files are read at each attempt, so that a renewed certificate is taken up.
pub struct X509PopAgent {
    config: X509PopAgentConfig,
}

impl X509PopAgent {
    /// An attestor that shows what the files hold at the time.
    ///
    /// # Errors
    /// [`PluginError`] when the files hold no key and certificate now.
    pub fn new(config: X509PopAgentConfig) -> Result<Self, PluginError> {
        Attempt::load(&config)?;
        Ok(Self { config })
    }
}

#[async_trait]
impl AgentNodeAttestor for X509PopAgent {
    fn name(&self) -> &str {
        NAME
    }

    async fn begin(&self) -> Result<Box<dyn AttestationAttempt>, PluginError> {
        Ok(Box::new(Attempt::load(&self.config)?))
    }
}

struct Attempt {
    payload: Vec<u8>,
    key: Arc<PrivateKey>,
}

impl Attempt {
    fn load(config: &X509PopAgentConfig) -> Result<Self, PluginError> {
        let unloadable =
            |what: &str, reason: String| error(NAME, ErrorClass::Malformed, format!("unable to load {what}: {reason}"));
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|reason| format!("open {}: {reason}", path.display()))
        };
        let keypair = |reason| unloadable("keypair", reason);
        let key_text = Zeroizing::new(read(&config.private_key_path).map_err(keypair)?);
        let key = PrivateKey::from_pem(&key_text).map_err(|reason| keypair(reason.to_string()))?;
        let text = read(&config.certificate_path).map_err(keypair)?;
        let mut certificates = pem::certificates(&text).map_err(|reason| keypair(reason.to_string()))?;
        let leaf = certificates.first().ok_or_else(|| keypair("no certificate in the file".into()))?;
        let leaf = steeple_crypto::x509::Certificate::from_der(leaf).map_err(|reason| keypair(reason.to_string()))?;
        if leaf.public_key() != key.public_key() {
            return Err(keypair("private key does not match public key of the certificate".into()));
        }
        if let Some(path) = &config.intermediates_path {
            let intermediates = |reason| unloadable("intermediate certificates", reason);
            let text = read(path).map_err(intermediates)?;
            certificates.extend(pem::certificates(&text).map_err(|reason| intermediates(reason.to_string()))?);
        }
        let payload = Payload { certificates: certificates.into_iter().map(Bytes).collect() };
        let payload = serde_json::to_vec(&payload).map_err(|reason| {
            error(NAME, ErrorClass::Internal, format!("unable to marshal attestation data: {reason}"))
        })?;
        Ok(Self { payload, key: Arc::new(key) })
    }
}

#[async_trait]
impl AttestationAttempt for Attempt {
    fn payload(&self) -> Vec<u8> {
        self.payload.clone()
    }

    async fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, PluginError> {
        let internal = |message: String| error(NAME, ErrorClass::Internal, message);
        let challenge: Challenge = serde_json::from_slice(challenge)
            .map_err(|reason| internal(format!("unable to unmarshal challenge: {reason}")))?;
        let response = challenge
            .respond(&self.key)
            .map_err(|reason| internal(format!("failed to calculate challenge response: {reason}")))?;
        serde_json::to_vec(&response)
            .map_err(|reason| internal(format!("unable to marshal challenge response: {reason}")))
    }
}
