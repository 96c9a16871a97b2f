//! TLS to a kubelet, whose certificate is often its own, or has no name for the loopback interface.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

use super::{Credentials, KubeletError, Verification};

/// Reads a file that the configuration names.
pub(super) fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, KubeletError> {
    std::fs::read(path).map_err(|error| unusable(what, path, error))
}

fn unusable(what: &'static str, path: &Path, reason: impl std::fmt::Display) -> KubeletError {
    KubeletError::File { what, path: path.display().to_string(), reason: reason.to_string() }
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, KubeletError> {
    let found = CertificateDer::pem_slice_iter(&read(what, path)?).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| unusable(what, path, error))?;
    if found.is_empty() {
        return Err(unusable(what, path, "no certificates found in file"));
    }
    Ok(found)
}

/// Settings of a connection to a kubelet; `named` when the name in its certificate counts.
///
/// # Errors
/// [`KubeletError::File`] when a file can't be used.
pub(super) fn client_config(
    named: bool,
    verification: &Verification,
    credentials: &Credentials,
) -> Result<ClientConfig, KubeletError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = verifier(named, verification, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| KubeletError::Malformed(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Credentials::Certificate { certificate, key } = credentials else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates("certificate", certificate)?;
    let pem = Zeroizing::new(read("private key", key)?);
    let parsed = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| unusable("private key", key, error))?;
    builder.with_client_auth_cert(chain, parsed).map_err(|error| unusable("keypair", certificate, error))
}

fn verifier(
    named: bool,
    verification: &Verification,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, KubeletError> {
    let Verification::Authorities(path) = verification else {
        return Ok(Arc::new(Nameless { roots: None, provider: Arc::clone(provider) }));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("kubelet CA", path)? {
        roots.add(certificate).map_err(|error| unusable("kubelet CA", path, error))?;
    }
    if !named {
        return Ok(Arc::new(Nameless { roots: Some(roots), provider: Arc::clone(provider) }));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(verifier.map_err(|error| unusable("kubelet CA", path, error))?)
}

/// Connects, and lets the kubelet show who it is.
///
/// # Errors
/// A text when the handshake fails.
pub(super) async fn connect(
    config: ClientConfig,
    host: &str,
    socket: TcpStream,
) -> Result<TlsStream<TcpStream>, String> {
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, socket).await.map_err(|error| format!("tls: {error}"))
}

/// Takes a certificate whatever name is in it; without authorities whoever has signed it.
#[derive(Debug)]
struct Nameless {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Nameless {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
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
