//! TLS as SPIFFE uses it: identities and authorities that change while connections come and go.

mod client;
mod server;
mod signing;
mod web;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::kx_group;
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{DEFAULT_VERSIONS, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use steeple_types::{SpiffeId, TrustDomain};
use zeroize::Zeroizing;

pub use client::{SeenChain, ServerVerification, client_config};
pub use server::{MayConnect, server_config};
pub use signing::certified_key_of_signer;
pub use web::{
    ACME_TLS_ALPN, Greeting, KeyPairError, WebCertificates, WebIdentity, certified_key_of_pem, web_server_config,
};

use crate::keys::KeyError;
use crate::verify::{ChainError, verify_svid};

/// What a party of a handshake follows: who it is, whom it believes, and what time it is.
pub trait TlsSource: Send + Sync + 'static {
    /// The certificate and key to present; `None` as long as there is none, which refuses handshakes as a server.
    fn identity(&self) -> Option<Arc<CertifiedKey>>;

    /// X.509 authorities (DER) of a trust domain; empty when it is not trusted.
    fn authorities(&self, trust_domain: &TrustDomain) -> Vec<Vec<u8>>;

    /// The time by which certificates are judged.
    fn now(&self) -> Timestamp;
}

/// A certificate chain (DER, leaf first) with its key, ready to present.
///
/// # Errors
/// [`KeyError`] when the key is of no use.
pub fn certified_key(chain: &[Vec<u8>], pkcs8: &Zeroizing<Vec<u8>>) -> Result<Arc<CertifiedKey>, KeyError> {
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.to_vec()));
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der)
        .map_err(|_| KeyError::Unusable("private key can't be used for TLS"))?;
    let chain = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

/// What can carry a post-quantum key exchange.
const POST_QUANTUM_VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13];

/// How two parties agree on the keys of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyExchange {
    /// By a post-quantum method if the other party can, in TLS 1.2 and up.
    #[default]
    Any,
    /// By a post-quantum method (hybrids of ML-KEM, draft-ietf-tls-ecdhe-mlkem), in TLS 1.3, or not at all.
    PostQuantum,
}

impl KeyExchange {
    /// What `require_pq_kem` asks for.
    pub fn of_demand(requires_post_quantum: bool) -> Self {
        if requires_post_quantum { Self::PostQuantum } else { Self::Any }
    }

    /// Tells in the log what is demanded of others, as SPIRE does.
    pub fn tell(self) {
        if self == Self::PostQuantum {
            tracing::debug!(
                subsystem_name = "tlspolicy",
                "Experimental option 'require_pq_kem' is enabled; all TLS connections will require use of a post-quantum safe KEM"
            );
        }
    }

    /// The one provider of this product: aws-lc, post-quantum key exchange preferred.
    fn provider(self) -> Arc<CryptoProvider> {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        if self == Self::PostQuantum {
            provider.kx_groups = vec![kx_group::X25519MLKEM768, kx_group::SECP256R1MLKEM768];
        }
        Arc::new(provider)
    }

    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Any => DEFAULT_VERSIONS,
            Self::PostQuantum => POST_QUANTUM_VERSIONS,
        }
    }
}

/// Presents whatever identity the source has at the time of a handshake.
struct Identity(Arc<dyn TlsSource>);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// The ID of a peer whose chain leads to an authority of the source.
fn verified_id(
    source: &dyn TlsSource,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<SpiffeId, rustls::Error> {
    let chain: Vec<&[u8]> = std::iter::once(end_entity).chain(intermediates).map(AsRef::as_ref).collect();
    let authorities = |id: &SpiffeId| source.authorities(&id.trust_domain());
    match verify_svid(&chain, authorities, source.now()) {
        Ok((id, _)) => Ok(id),
        Err(error) => {
            tracing::debug!(error = %error, "Peer certificate refused");
            // Who can't tell these apart takes an expired certificate for one of another authority.
            let reason = match error {
                ChainError::UnknownAuthority(_) => rustls::CertificateError::UnknownIssuer,
                other => rustls::CertificateError::Other(rustls::OtherError(Arc::new(other))),
            };
            Err(rustls::Error::InvalidCertificate(reason))
        }
    }
}

#[cfg(test)]
mod tests;
