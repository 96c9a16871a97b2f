//! What an issuer that signed has put into the request.

use k8s_openapi::ByteString;
use steeple_crypto::pem;
use steeple_crypto::x509::Certificate;
use steeple_plugin::MintedX509Ca;
use steeple_types::X509Authority;
use tracing::error;

use super::request::CertificateRequestStatus;

/// What is wrong with the answer of an issuer that signed. The texts for callers are SPIRE's.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// The chain can't be read.
    #[error("failed to parse certificate: {0}")]
    Certificate(String),
    /// The issuer does not tell its root.
    #[error("no upstream CA root returned from request")]
    NoRoot,
    /// The root can't be read.
    #[error("failed to parse CA certificate: {0}")]
    Root(String),
}

impl Unusable {
    /// Tells it in the log, in SPIRE's texts too.
    pub(super) fn tell(&self, namespace: &str, name: &str) {
        match self {
            Self::Certificate(error) => error!(namespace, name, error, "Failed to parse signed certificate"),
            Self::NoRoot => {
                let text = "No CA certificate was populated in CertificateRequest so cannot build upstream roots";
                error!(namespace, name, "{text}");
            }
            Self::Root(error) => {
                error!(namespace, name, error, "Failed to parse CA certificate returned from request");
            }
        }
    }
}

/// The CA of a request that was signed; whether it is the one that was asked for is seen by who asked.
pub(super) fn minted(status: &CertificateRequestStatus) -> Result<MintedX509Ca, Unusable> {
    let chain = certificates(&status.certificate).map_err(Unusable::Certificate)?;
    if status.ca.0.is_empty() {
        return Err(Unusable::NoRoot);
    }
    let roots = certificates(&status.ca).map_err(Unusable::Root)?;
    let root = |certificate| X509Authority { certificate, tainted: false };
    Ok(MintedX509Ca { chain, upstream_roots: roots.into_iter().map(root).collect() })
}

/// Certificates of a text that has nothing else, DER each.
fn certificates(text: &ByteString) -> Result<Vec<Vec<u8>>, String> {
    let blocks = pem::parse(&String::from_utf8_lossy(&text.0)).map_err(|error| error.to_string())?;
    if blocks.is_empty() {
        return Err("no PEM blocks".to_owned());
    }
    let certificate = |(number, block): (usize, pem::Block)| {
        if block.label != "CERTIFICATE" {
            return Err(format!("expected block type \"CERTIFICATE\"; got {:?}", block.label));
        }
        Certificate::from_der(&block.der)
            .map_err(|error| format!("unable to parse \"CERTIFICATE\" PEM block {}: {error}", number + 1))?;
        Ok(block.der.to_vec())
    };
    blocks.into_iter().enumerate().map(certificate).collect()
}
