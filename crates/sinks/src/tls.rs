//! TLS of sinks.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use steeple_crypto::pem;
use zeroize::Zeroizing;

use crate::settings::TlsSettings;

/// The configuration of a client. Reads files.
pub(crate) fn client(settings: &TlsSettings) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &settings.ca_bundle_path {
        for certificate in pem::certificates(&read(path)?).map_err(|error| told(path, &error))? {
            roots.add(CertificateDer::from(certificate)).map_err(|error| told(path, &error))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?.with_root_certificates(roots);
    let Some((certificate_path, key_path)) = &settings.identity else { return Ok(config.with_no_client_auth()) };
    let chain = pem::certificates(&read(certificate_path)?).map_err(|error| told(certificate_path, &error))?;
    let chain = chain.into_iter().map(CertificateDer::from).collect();
    let key = Zeroizing::new(read(key_path)?);
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| told(key_path, &error))?;
    config.with_client_auth_cert(chain, key).map_err(|error| told(certificate_path, &error))
}

/// A secret of one line.
pub(crate) fn secret(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = Zeroizing::new(read(path)?);
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| told(path, &error))
}

fn told(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}
