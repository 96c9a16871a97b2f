//! The client's side: the server must hold the one ID that is expected of it.

use std::fmt;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use steeple_types::SpiffeId;

use super::{Identity, KeyExchange, TlsSource, verified_id};

/// Takes the chain of a server that was not verified.
pub type SeenChain = dyn Fn(&[CertificateDer<'_>]) + Send + Sync;

/// How a server is checked.
#[derive(Clone)]
pub enum ServerVerification {
    /// Its chain leads to an authority of the source, and its ID is exactly this one.
    Id(SpiffeId),
    /// Not at all; the chain that it presents is handed to the callback. For bootstrapping without trust only.
    Insecure(Arc<SeenChain>),
}

/// Settings of a TLS client: TLS 1.2 and up unless `exchange` asks for more, ALPN `h2`, no resumption, own certificate from `source`.
///
/// # Errors
/// [`Error`] when the crypto provider lacks what is needed.
pub fn client_config(
    source: Arc<dyn TlsSource>,
    server: ServerVerification,
    exchange: KeyExchange,
) -> Result<ClientConfig, Error> {
    let provider = exchange.provider();
    let verifier = Arc::new(Server { source: Arc::clone(&source), expected: server, provider: Arc::clone(&provider) });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(exchange.versions())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(Identity(source)));
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.identity()
    }

    fn has_certs(&self) -> bool {
        self.0.identity().is_some()
    }
}

struct Server {
    source: Arc<dyn TlsSource>,
    expected: ServerVerification,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

impl ServerCertVerifier for Server {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let expected = match &self.expected {
            ServerVerification::Insecure(seen) => {
                let chain: Vec<CertificateDer<'_>> = std::iter::once(end_entity)
                    .chain(intermediates)
                    .map(|der| CertificateDer::from(der.as_ref()))
                    .collect();
                seen(&chain);
                return Ok(ServerCertVerified::assertion());
            }
            ServerVerification::Id(expected) => expected,
        };
        let id = verified_id(&*self.source, end_entity, intermediates)?;
        if id == *expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::General(format!("unexpected peer ID \"{id}\": expected \"{expected}\"")))
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
