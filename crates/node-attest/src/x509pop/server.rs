//! The server's half: verifies the certificate, then asks for proof of its key.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use steeple_clock::Clock;
use steeple_crypto::keys::PublicKeyKind;
use steeple_crypto::verify::{VerifiedChain, verify_chain};
use steeple_crypto::x509::Certificate;
use steeple_plugin::{Conversation, ErrorClass, NodeAttestor, NodeClaims, Origin, PluginError};
use steeple_types::{SpiffeId, TrustDomain};

use super::NAME;
use super::wire::{Challenge, Payload, Response};
use crate::error;

/// Largest payload or response read, in bytes.
const MAX_LENGTH: usize = 256 << 10;

/// Whom the certificates of nodes must lead to.
pub enum Trust {
    /// Authorities of another PKI (mode `external_pki`): certificates in DER.
    ExternalPki(Vec<Vec<u8>>),
    /// The server's own trust domain (mode `spiffe`): nodes show an X.509-SVID whose path has a prefix.
    Spiffe {
        /// The prefix, ending with a slash (`spiffe_prefix`).
        prefix: String,
        /// The X.509 authorities of the trust domain at the time, DER.
        authorities: Arc<dyn Fn() -> Vec<Vec<u8>> + Send + Sync>,
    },
}

/// What the server's half is told by its configuration.
pub struct X509PopServerConfig {
    /// The server's trust domain.
    pub trust_domain: TrustDomain,
    /// Whom certificates must lead to.
    pub trust: Trust,
    /// Most issuers that a node may show (`max_intermediates`).
    pub max_intermediates: usize,
    /// Most bits of an RSA key (`max_rsa_key_size`).
    pub max_rsa_key_size: usize,
    /// Whether an IP SAN must be the peer's address (`verify_client_ip`).
    pub verify_client_ip: bool,
}

/// The server's half.
pub struct X509PopServer {
    config: X509PopServerConfig,
    clock: Clock,
}

impl X509PopServer {
    /// An attestor by `config`; certificates are judged by `clock`.
    pub fn new(config: X509PopServerConfig, clock: Clock) -> Self {
        Self { config, clock }
    }

    fn verified(&self, payload: &[u8]) -> Result<VerifiedChain, PluginError> {
        let malformed = |message: String| error(NAME, ErrorClass::Malformed, message);
        if payload.len() > MAX_LENGTH {
            return Err(malformed("attestation data is larger than 256 KiB".into()));
        }
        let payload: Payload = serde_json::from_slice(payload)
            .map_err(|reason| malformed(format!("failed to unmarshal data: {reason}")))?;
        let chain: Vec<&[u8]> = payload.certificates.iter().map(|bytes| bytes.0.as_slice()).collect();
        let Some((leaf, intermediates)) = chain.split_first() else {
            return Err(malformed("no certificate to attest".into()));
        };
        if intermediates.len() > self.config.max_intermediates {
            return Err(malformed("too many intermediate certificates".into()));
        }
        let leaf = Certificate::from_der(leaf)
            .map_err(|reason| malformed(format!("unable to parse leaf certificate: {reason}")))?;
        if self.key_is_too_large(&leaf) {
            return Err(malformed("leaf certificate key size too large".into()));
        }
        for (index, der) in intermediates.iter().enumerate() {
            let certificate = Certificate::from_der(der)
                .map_err(|reason| malformed(format!("unable to parse intermediate certificate {index}: {reason}")))?;
            if self.key_is_too_large(&certificate) {
                return Err(malformed(format!("intermediate certificate {index} key size too large")));
            }
        }
        let authorities = match &self.config.trust {
            Trust::ExternalPki(authorities) => authorities.clone(),
            Trust::Spiffe { authorities, .. } => authorities(),
        };
        let authorities: Vec<&[u8]> = authorities.iter().map(Vec::as_slice).collect();
        verify_chain(&chain, &authorities, self.clock.now())
            .map_err(|reason| error(NAME, ErrorClass::Denied, format!("certificate verification failed: {reason}")))
    }

    fn key_is_too_large(&self, certificate: &Certificate) -> bool {
        matches!(certificate.public_key().kind(), PublicKeyKind::Rsa { bits } if bits > self.config.max_rsa_key_size)
    }

    fn check_address(&self, leaf: &Certificate, origin: &Origin) -> Result<(), PluginError> {
        if !self.config.verify_client_ip {
            return Ok(());
        }
        let address = origin
            .address
            .ok_or_else(|| error(NAME, ErrorClass::Internal, "client IP not available for verification"))?;
        if leaf.addresses().iter().any(|san| san.to_canonical() == address.to_canonical()) {
            return Ok(());
        }
        let message = format!("client IP {address} does not match any certificate IP SAN");
        Err(error(NAME, ErrorClass::Denied, message))
    }

    fn agent_path(&self, leaf: &Certificate) -> Result<String, PluginError> {
        let Trust::Spiffe { prefix, .. } = &self.config.trust else {
            return Ok(format!("/{NAME}/{}", leaf.fingerprint()));
        };
        let denied = |message: &str| error(NAME, ErrorClass::Denied, message);
        let id = leaf.uris().iter().find_map(|uri| SpiffeId::parse(uri).ok());
        let id = id.ok_or_else(|| denied("valid SVID x509 cert not found"))?;
        let rest = id.path().strip_prefix(prefix.as_str());
        let rest = rest.ok_or_else(|| denied("x509 cert doesnt match SVID prefix"))?;
        Ok(format!("/{NAME}/{rest}"))
    }

    fn claims(&self, chain: &VerifiedChain) -> Result<NodeClaims, PluginError> {
        let leaf = &chain.leaf;
        let mut values = Vec::new();
        if let Some(name) = leaf.subject().common_name.as_ref().filter(|name| !name.is_empty()) {
            values.push(format!("subject:cn:{name}"));
        }
        for issuer in &chain.issuers {
            let issuer = Certificate::from_der(issuer)
                .map_err(|reason| error(NAME, ErrorClass::Internal, reason.to_string()))?;
            values.push(format!("ca:fingerprint:{}", issuer.fingerprint()));
        }
        values.push(format!("serialnumber:{}", leaf.serial_hex()));
        values.extend(self.san_values(leaf).into_iter().map(|(key, value)| format!("san:{key}:{value}")));
        Ok(NodeClaims {
            agent_path: self.agent_path(leaf)?,
            selector_values: values,
            can_reattest: true,
            join_token: None,
        })
    }

    /// What URI SANs of the form `x509pop://<trust domain>/<key>/<value>` say.
    fn san_values(&self, leaf: &Certificate) -> BTreeMap<String, String> {
        let prefix = format!("x509pop://{}/", self.config.trust_domain);
        let rest = leaf.uris().iter().filter_map(|uri| uri.strip_prefix(&prefix));
        rest.filter_map(|rest| rest.trim_matches('/').split_once('/'))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }
}

#[async_trait]
impl NodeAttestor for X509PopServer {
    fn name(&self) -> &str {
        NAME
    }

    async fn attest(
        &self,
        payload: &[u8],
        origin: &Origin,
        conversation: &mut dyn Conversation,
    ) -> Result<NodeClaims, PluginError> {
        let chain = self.verified(payload)?;
        self.check_address(&chain.leaf, origin)?;
        let internal = |message: String| error(NAME, ErrorClass::Internal, message);
        if !chain.leaf.may_sign_digitally() {
            let reason = "certificate not intended for digital signature use";
            return Err(internal(format!("unable to generate challenge: {reason}")));
        }
        let key = chain.leaf.public_key();
        let (challenge, nonce) =
            Challenge::new(key).map_err(|reason| internal(format!("unable to generate challenge: {reason}")))?;
        let challenge = serde_json::to_vec(&challenge)
            .map_err(|reason| internal(format!("unable to marshal challenge: {reason}")))?;
        let response = conversation.challenge(challenge).await?;
        let response: Response = (response.len() <= MAX_LENGTH)
            .then(|| serde_json::from_slice(&response).ok())
            .flatten()
            .ok_or_else(|| error(NAME, ErrorClass::Malformed, "unable to unmarshal challenge response"))?;
        response.verify(key, &nonce).map_err(|reason| {
            error(NAME, ErrorClass::Denied, format!("challenge response verification failed: {reason}"))
        })?;
        self.claims(&chain)
    }
}
