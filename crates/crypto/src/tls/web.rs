//! TLS for clients of the web: certificates that change, nothing asked of the client.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::{KeyExchange, certified_key};
use crate::keys::KeyError;
use crate::pem;

/// The protocol over which an ACME server checks who answers for a name (RFC 8737, section 4).
pub const ACME_TLS_ALPN: &[u8] = b"acme-tls/1";

/// What a client says before it is shown a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Greeting {
    /// The name that it wants to reach, if it tells one.
    pub server_name: Option<String>,
    /// Whether it is an ACME server that looks for the answer to its challenge, and wants nothing else.
    pub is_acme_challenge: bool,
}

impl Greeting {
    /// What stands in a client's hello.
    pub fn of(hello: &ClientHello<'_>) -> Self {
        let mut protocols = hello.alpn().into_iter().flatten();
        let is_acme_challenge = protocols.next() == Some(ACME_TLS_ALPN) && protocols.next().is_none();
        Self { server_name: hello.server_name().map(str::to_owned), is_acme_challenge }
    }
}

/// Knows the certificate to present.
pub trait WebCertificates: Send + Sync + 'static {
    /// The certificate of now; `None` refuses the handshake.
    fn certificate(&self, greeting: &Greeting) -> Option<Arc<CertifiedKey>>;
}

/// A certificate that may change between handshakes. Without one they are refused.
#[derive(Clone, Default)]
pub struct WebIdentity(Arc<RwLock<Option<Arc<CertifiedKey>>>>);

impl WebIdentity {
    /// Presents this chain (DER, leaf first) and its key from now on.
    ///
    /// # Errors
    /// [`KeyError`] when the key is of no use; what was presented before stays.
    pub fn present(&self, chain: &[Vec<u8>], pkcs8: &Zeroizing<Vec<u8>>) -> Result<(), KeyError> {
        let key = certified_key(chain, pkcs8)?;
        *self.0.write() = Some(key);
        Ok(())
    }
}

impl fmt::Debug for WebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebIdentity")
    }
}

impl WebCertificates for WebIdentity {
    fn certificate(&self, _greeting: &Greeting) -> Option<Arc<CertifiedKey>> {
        self.0.read().clone()
    }
}

/// Settings of a TLS server for clients of the web: TLS 1.2 and up, HTTP/2 before HTTP/1.1, no session tickets, no
/// certificates of clients.
///
/// # Errors
/// [`Error`] when the crypto provider lacks what is needed.
pub fn web_server_config(certificates: Arc<dyn WebCertificates>, exchange: KeyExchange) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(exchange.provider())
        .with_protocol_versions(exchange.versions())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Resolver(certificates)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

struct Resolver(Arc<dyn WebCertificates>);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.certificate(&Greeting::of(&hello))
    }
}

/// Why certificate and key of two PEM texts can't be presented, in the words of Go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tls: {0}")]
pub struct KeyPairError(String);

/// A certificate chain (leaf first) and its key, both PEM, ready to present. The key is RSA, ECDSA or Ed25519 in PKCS#8,
/// PKCS#1 or SEC 1.
///
/// # Errors
/// [`KeyPairError`], also when key and certificate don't belong together.
pub fn certified_key_of_pem(chain: &str, key: &str) -> Result<Arc<CertifiedKey>, KeyPairError> {
    let (chain, key) = (chain_of(chain)?, key_of(key)?);
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|_| KeyPairError("failed to parse private key".to_owned()))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(Arc::new(certified)),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(KeyPairError("private key does not match public key".to_owned()))
        }
        Err(error) => Err(KeyPairError(format!("failed to parse certificate: {error}"))),
    }
}

fn chain_of(text: &str) -> Result<Vec<CertificateDer<'static>>, KeyPairError> {
    let blocks = blocks(text, "certificate")?;
    let (chain, others): (Vec<_>, Vec<_>) = blocks.into_iter().partition(|block| block.label == "CERTIFICATE");
    if !chain.is_empty() {
        return Ok(chain.into_iter().map(|block| CertificateDer::from(block.der.to_vec())).collect());
    }
    if let [only] = others.as_slice()
        && only.label.ends_with("PRIVATE KEY")
    {
        return Err(KeyPairError(
            "failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have \
             been switched"
                .to_owned(),
        ));
    }
    let types = types(&others);
    Err(KeyPairError(format!(
        "failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: {types}"
    )))
}

fn key_of(text: &str) -> Result<PrivateKeyDer<'static>, KeyPairError> {
    let blocks = blocks(text, "key")?;
    let Some(block) = blocks.iter().find(|block| block.label.ends_with("PRIVATE KEY")) else {
        if let [only] = blocks.as_slice()
            && only.label == "CERTIFICATE"
        {
            return Err(KeyPairError(
                "found a certificate rather than a key in the PEM for the private key".to_owned(),
            ));
        }
        let types = types(&blocks);
        return Err(KeyPairError(format!(
            "failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the \
             following types: {types}"
        )));
    };
    let der = block.der.to_vec();
    Ok(match block.label.as_str() {
        "EC PRIVATE KEY" => PrivateKeyDer::Sec1(der.into()),
        "RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(der.into()),
        _ => PrivateKeyDer::Pkcs8(der.into()),
    })
}

fn blocks(text: &str, what: &str) -> Result<Vec<pem::Block>, KeyPairError> {
    let blocks = pem::parse(text).unwrap_or_default();
    if blocks.is_empty() {
        return Err(KeyPairError(format!("failed to find any PEM data in {what} input")));
    }
    Ok(blocks)
}

/// The labels of blocks as Go prints a list.
fn types(blocks: &[pem::Block]) -> String {
    let labels: Vec<&str> = blocks.iter().map(|block| block.label.as_str()).collect();
    format!("[{}]", labels.join(" "))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::keys::{KeyType, PrivateKey, SignatureAlgorithm};
    use crate::x509::{CertificateTemplate, Name, Purpose};

    fn pair() -> (String, String) {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap();
        let subject = Name::of("US", "SPIRE");
        let template = CertificateTemplate {
            serial: &[1],
            issuer: &subject.to_der(),
            subject: &subject,
            not_before: Timestamp::UNIX_EPOCH,
            not_after: "2060-01-01T00:00:00Z".parse().unwrap(),
            public_key: key.public_key(),
            authority_key_id: &[],
            purpose: Purpose::Leaf,
            uris: &[],
            dns_names: &["domain.test".to_owned()],
            signature: SignatureAlgorithm::EcdsaSha256,
        };
        let certificate = pem::encode("CERTIFICATE", &template.encode().sign(&key).unwrap());
        (certificate, pem::encode("PRIVATE KEY", &key.to_pkcs8().unwrap()))
    }

    fn refused(chain: &str, key: &str) -> String {
        certified_key_of_pem(chain, key).unwrap_err().to_string()
    }

    #[test]
    fn certificate_and_key_of_a_pair_are_taken() {
        let (certificate, key) = pair();
        let other = pem::encode("EC PARAMETERS", b"x");
        assert_eq!(
            certified_key_of_pem(&format!("{other}{certificate}"), &format!("{other}{key}")).unwrap().cert.len(),
            1
        );
    }

    #[test]
    fn refusals_are_those_of_go() {
        let ((certificate, key), (_, other_key)) = (pair(), pair());
        assert_eq!(refused(&certificate, &other_key), "tls: private key does not match public key");
        assert_eq!(refused("", &key), "tls: failed to find any PEM data in certificate input");
        assert_eq!(refused(&certificate, "x"), "tls: failed to find any PEM data in key input");
        assert_eq!(
            refused(&key, &key),
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may \
             have been switched"
        );
        assert_eq!(
            refused(&certificate, &certificate),
            "tls: found a certificate rather than a key in the PEM for the private key"
        );
        let broken = pem::encode("PRIVATE KEY", b"x");
        assert_eq!(refused(&certificate, &broken), "tls: failed to parse private key");
        let others = [pem::encode("A", b"a"), pem::encode("B", b"b")].concat();
        assert!(refused(&others, &key).ends_with("of the following types: [A B]"));
        assert!(refused(&certificate, &others).ends_with("of the following types: [A B]"));
    }
}
