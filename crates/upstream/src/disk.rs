//! `disk`: a CA whose certificate and key are in files, read anew at each minting.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use steeple_clock::Clock;
use steeple_crypto::keys::PrivateKey;
use steeple_crypto::pem;
use steeple_crypto::x509::{Certificate, CertificateTemplate, Csr, Purpose, random_serial};
use steeple_plugin::{ErrorClass, JwtKeyPublication, MintedX509Ca, PluginError, UpstreamAuthority};
use steeple_types::{JwtAuthority, TrustDomain, X509Authority};
use zeroize::Zeroizing;

const NAME: &str = "disk";
/// Clocks of verifiers may be this far behind.
const BACKDATE: Duration = Duration::from_secs(10);

/// What the authority is told by its configuration.
#[derive(Clone, Debug)]
pub struct DiskAuthorityConfig {
    /// The CA's certificate and those between it and the root, PEM.
    pub cert_file_path: PathBuf,
    /// The CA's key, PEM.
    pub key_file_path: PathBuf,
    /// The roots, PEM; not given when the CA is a root itself.
    pub bundle_file_path: Option<PathBuf>,
}

/// A CA in files.
pub struct DiskAuthority {
    config: DiskAuthorityConfig,
    trust_domain: TrustDomain,
    clock: Clock,
}

/// The CA as the files have it.
struct Authority {
    key: PrivateKey,
    certificate: Certificate,
    /// The CA's certificate and those above it up to but not including the root.
    chain: Vec<Vec<u8>>,
    roots: Vec<Vec<u8>>,
}

impl DiskAuthority {
    /// The authority of the files that `config` names.
    ///
    /// # Errors
    /// [`PluginError`] when they hold no usable CA now.
    pub fn new(config: DiskAuthorityConfig, trust_domain: TrustDomain, clock: Clock) -> Result<Self, PluginError> {
        if config.cert_file_path.as_os_str().is_empty() || config.key_file_path.as_os_str().is_empty() {
            let message = "'cert_file_path' and 'key_file_path' must be set and not empty";
            return Err(error(ErrorClass::Malformed, message));
        }
        let authority = Self { config, trust_domain, clock };
        authority.load()?;
        Ok(authority)
    }

    fn load(&self) -> Result<Authority, PluginError> {
        let malformed = |message: String| error(ErrorClass::Malformed, message);
        let key_text = Zeroizing::new(read("upstream CA key", &self.config.key_file_path)?);
        let key = PrivateKey::from_pem(&key_text)
            .map_err(|reason| malformed(format!("unable to load upstream CA key: {reason}")))?;
        let mut chain = certificates("upstream CA certificate", &self.config.cert_file_path)?;
        let first = chain.first().ok_or_else(|| malformed("no certificate in the upstream CA file".to_owned()))?;
        let certificate = Certificate::from_der(first)
            .map_err(|reason| malformed(format!("unable to load upstream CA certificate: {reason}")))?;
        if certificate.public_key() != key.public_key() {
            return Err(malformed("unable to verify CA certificate matches private key".to_owned()));
        }
        let roots = match &self.config.bundle_file_path {
            Some(path) => certificates("upstream CA bundle", path)?,
            None if chain.len() > 1 => {
                let message = "with no bundle_file_path configured only self-signed CAs are supported";
                return Err(malformed(message.to_owned()));
            }
            None => std::mem::take(&mut chain),
        };
        let others: Vec<&[u8]> = chain.iter().skip(1).chain(&roots).map(Vec::as_slice).collect();
        if !chain.is_empty() && !names_its_issuer(&certificate, &others) {
            let message = "unable to verify upstream CA certificate: neither the file nor the bundle holds its issuer";
            return Err(malformed(message.to_owned()));
        }
        Ok(Authority { key, certificate, chain, roots })
    }

    fn mint(&self, csr: &[u8], preferred_ttl: Duration) -> Result<MintedX509Ca, PluginError> {
        let authority = self.load()?;
        let internal = |reason: String| error(ErrorClass::Internal, format!("unable to sign CSR: {reason}"));
        let csr = Csr::from_der(csr)
            .map_err(|reason| error(ErrorClass::Malformed, format!("unable to parse CSR: {reason}")))?;
        csr.verify_signature().map_err(|reason| error(ErrorClass::Malformed, reason.to_string()))?;
        let own = self.trust_domain.id_string();
        if csr.uris() != [own.clone()] {
            let message = format!("invalid CSR: expected the URI SAN {own:?}, got {:?}", csr.uris());
            return Err(error(ErrorClass::Malformed, message));
        }
        let now = self.clock.now();
        let serial = random_serial().map_err(|reason| internal(reason.to_string()))?;
        let key = authority.key.public_key();
        let template = CertificateTemplate {
            serial: &serial,
            issuer: authority.certificate.subject_der(),
            subject: csr.subject(),
            not_before: now - BACKDATE,
            not_after: (now + preferred_ttl).min(authority.certificate.not_after()),
            public_key: csr.public_key(),
            authority_key_id: authority.certificate.subject_key_id(),
            purpose: Purpose::Ca,
            uris: csr.uris(),
            dns_names: &[],
            signature: key.certificate_signature().map_err(|reason| internal(reason.to_string()))?,
        };
        let unsigned = template.encode();
        let signature = authority
            .key
            .sign(unsigned.algorithm(), unsigned.to_be_signed())
            .map_err(|reason| internal(reason.to_string()))?;
        let mut chain = vec![unsigned.finish(&signature)];
        chain.extend(authority.chain);
        let root = |certificate| X509Authority { certificate, tainted: false };
        Ok(MintedX509Ca { chain, upstream_roots: authority.roots.into_iter().map(root).collect() })
    }
}

/// Whether a root or a certificate between is the issuer that the CA names. Signatures and dates are left to those who verify
/// what the CA signs: this tells files apart that don't belong together.
fn names_its_issuer(certificate: &Certificate, others: &[&[u8]]) -> bool {
    let is_issuer = |der: &&[u8]| {
        Certificate::from_der(der).is_ok_and(|issuer| {
            issuer.der() == certificate.der() || issuer.subject_key_id() == certificate.authority_key_id()
        })
    };
    others.iter().any(is_issuer)
}

fn read(what: &str, path: &Path) -> Result<String, PluginError> {
    std::fs::read_to_string(path).map_err(|reason| {
        error(ErrorClass::Malformed, format!("unable to load {what}: open {}: {reason}", path.display()))
    })
}

fn certificates(what: &str, path: &Path) -> Result<Vec<Vec<u8>>, PluginError> {
    let text = read(what, path)?;
    let found = pem::certificates(&text)
        .map_err(|reason| error(ErrorClass::Malformed, format!("unable to load {what}: {reason}")))?;
    if found.is_empty() {
        let message = format!("unable to load {what}: no certificates in {}", path.display());
        return Err(error(ErrorClass::Malformed, message));
    }
    Ok(found)
}

fn error(class: ErrorClass, message: impl Into<String>) -> PluginError {
    PluginError::new("upstreamauthority", NAME, class, message)
}

#[async_trait]
impl UpstreamAuthority for DiskAuthority {
    fn name(&self) -> &str {
        NAME
    }

    async fn mint_x509_ca(&self, csr: &[u8], preferred_ttl: Duration) -> Result<MintedX509Ca, PluginError> {
        self.mint(csr, preferred_ttl)
    }

    async fn publish_jwt_key(&self, _key: &JwtAuthority) -> Result<JwtKeyPublication, PluginError> {
        Ok(JwtKeyPublication::Unsupported)
    }
}

#[cfg(test)]
mod tests {
    use steeple_crypto::keys::KeyType;
    use steeple_crypto::x509::{Name, self_signed_csr};

    use super::*;

    fn root(key: &PrivateKey) -> Vec<u8> {
        let name = Name::of("US", "ROOT");
        let template = CertificateTemplate {
            serial: &[1],
            issuer: &name.to_der(),
            subject: &name,
            not_before: "2025-01-01T00:00:00Z".parse().unwrap(),
            not_after: "2030-01-01T00:00:00Z".parse().unwrap(),
            public_key: key.public_key(),
            authority_key_id: &[],
            purpose: Purpose::Ca,
            uris: &[],
            dns_names: &[],
            signature: key.public_key().certificate_signature().unwrap(),
        };
        let unsigned = template.encode();
        let signature = key.sign(unsigned.algorithm(), unsigned.to_be_signed()).unwrap();
        unsigned.finish(&signature)
    }

    fn authority(dir: &Path, certificate: &[u8], key: &PrivateKey) -> Result<DiskAuthority, PluginError> {
        std::fs::write(dir.join("ca.crt"), pem::encode("CERTIFICATE", certificate)).unwrap();
        std::fs::write(dir.join("ca.key"), pem::encode("PRIVATE KEY", &key.to_pkcs8().unwrap())).unwrap();
        let config = DiskAuthorityConfig {
            cert_file_path: dir.join("ca.crt"),
            key_file_path: dir.join("ca.key"),
            bundle_file_path: None,
        };
        let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap()).0;
        DiskAuthority::new(config, TrustDomain::parse("example.org").unwrap(), clock)
    }

    #[tokio::test]
    async fn root_signs_a_ca_and_stays_out_of_its_chain() {
        let dir = tempfile::tempdir().unwrap();
        let (key, ca) =
            (PrivateKey::generate(KeyType::EcP256).unwrap(), PrivateKey::generate(KeyType::EcP384).unwrap());
        let root = root(&key);
        let authority = authority(dir.path(), &root, &key).unwrap();
        let uris = ["spiffe://example.org".to_owned()];
        let csr = self_signed_csr(&ca, &Name::of("US", "SPIFFE"), &uris, &[]).unwrap();
        let minted = authority.mint_x509_ca(&csr, Duration::from_hours(1)).await.unwrap();
        assert_eq!((minted.chain.len(), minted.upstream_roots[0].certificate.clone()), (1, root));
        let certificate = Certificate::from_der(&minted.chain[0]).unwrap();
        assert!(certificate.is_ca() && certificate.uris() == uris);
        let foreign = self_signed_csr(&ca, &Name::default(), &["spiffe://other".to_owned()], &[]).unwrap();
        let error = authority.mint_x509_ca(&foreign, Duration::from_hours(1)).await.unwrap_err();
        assert!(error.to_string().contains("expected the URI SAN"), "{error}");
    }

    #[test]
    fn key_of_another_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (key, other) =
            (PrivateKey::generate(KeyType::EcP256).unwrap(), PrivateKey::generate(KeyType::EcP256).unwrap());
        let error = authority(dir.path(), &root(&key), &other).err().unwrap();
        assert!(error.to_string().contains("matches private key"), "{error}");
    }
}
