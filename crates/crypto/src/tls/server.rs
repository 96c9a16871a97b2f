//! The server's side: a client certificate is asked for but not required.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use steeple_types::SpiffeId;

use super::{Identity, KeyExchange, TlsSource, verified_id};

/// Says whether a client with a verified ID may connect at all.
pub type MayConnect = dyn Fn(&SpiffeId) -> bool + Send + Sync;

/// Settings of a TLS server: TLS 1.2 and up unless `exchange` asks for more, ALPN `h2`, no session tickets, client certificates verified by `source` and
/// admitted by `may_connect`.
///
/// # Errors
/// [`Error`] when the crypto provider lacks what is needed.
pub fn server_config(
    source: Arc<dyn TlsSource>,
    may_connect: Arc<MayConnect>,
    exchange: KeyExchange,
) -> Result<ServerConfig, Error> {
    let provider = exchange.provider();
    let verifier = Arc::new(Clients { source: Arc::clone(&source), may_connect, provider: Arc::clone(&provider) });
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(exchange.versions())?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Identity(source)));
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.identity()
    }
}

struct Clients {
    source: Arc<dyn TlsSource>,
    may_connect: Arc<MayConnect>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clients")
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let id = verified_id(&*self.source, end_entity, intermediates)?;
        if (self.may_connect)(&id) {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
