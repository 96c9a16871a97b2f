//! `disk`: a CA whose certificate and key are in files, read anew at each minting.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use steeple_clock::Clock;
use steeple_crypto::keys::PrivateKey;
use steeple_crypto::pem;
use steeple_crypto::verify::leads_to;
use steeple_crypto::x509::{Certificate, CertificateTemplate, Csr, Purpose, random_serial};
use steeple_plugin::{ErrorClass, JwtKeyPublication, MintedX509Ca, PluginError, UpstreamAuthority};
use steeple_types::{Bundle, JwtAuthority, TrustDomain, X509Authority};
use tracing::warn;
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
    /// The CA as it was when the files were last in order.
    last: Mutex<Arc<Authority>>,
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
        let last = Mutex::new(Arc::new(Authority::load(&config, clock.now())?));
        Ok(Self { config, trust_domain, clock, last })
    }

    /// The CA as the files have it now, or as they last had it if they are not in order: who replaces them does so one by one.
    fn current(&self) -> Arc<Authority> {
        let mut last = self.last.lock();
        match Authority::load(&self.config, self.clock.now()) {
            Ok(authority) => *last = Arc::new(authority),
            Err(error) => {
                warn!(%error, "The files of the upstream CA are not in order; going on with what they held before");
            }
        }
        Arc::clone(&last)
    }

    fn mint(&self, csr: &[u8], preferred_ttl: Duration) -> Result<MintedX509Ca, PluginError> {
        let authority = self.current();
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
        let end = authority.certificate.not_after();
        if end <= now {
            return Err(internal(format!("the upstream CA has expired, at {end}")));
        }
        let serial = random_serial().map_err(|reason| internal(reason.to_string()))?;
        let key = authority.key.public_key();
        let template = CertificateTemplate {
            serial: &serial,
            issuer: authority.certificate.subject_der(),
            subject: csr.subject(),
            not_before: now - BACKDATE,
            not_after: (now + preferred_ttl).min(end),
            public_key: csr.public_key(),
            authority_key_id: authority.certificate.subject_key_id(),
            purpose: Purpose::Ca,
            uris: csr.uris(),
            dns_names: &[],
            signature: key.certificate_signature().map_err(|reason| internal(reason.to_string()))?,
        };
        let signed = template.encode().sign(&authority.key).map_err(|reason| internal(reason.to_string()))?;
        let mut chain = vec![signed];
        chain.extend(authority.chain.iter().cloned());
        let root = |certificate: &Vec<u8>| X509Authority { certificate: certificate.clone(), tainted: false };
        Ok(MintedX509Ca { chain, upstream_roots: authority.roots.iter().map(root).collect() })
    }
}

impl Authority {
    /// Reads the files, whose certificates must hold at `now`; the texts of refusals are SPIRE's.
    fn load(config: &DiskAuthorityConfig, now: Timestamp) -> Result<Self, PluginError> {
        let malformed = |message: &str| error(ErrorClass::Malformed, format!("unable to load upstream CA{message}"));
        let key_text = Zeroizing::new(read("key", &config.key_file_path)?);
        let key = PrivateKey::from_pem(&key_text).map_err(|reason| malformed(&format!(" key: {reason}")))?;
        let mut chain = certificates("cert", &config.cert_file_path)?;
        let roots = if let Some(path) = &config.bundle_file_path {
            certificates("bundle", path)?
        } else {
            if chain.len() != 1 {
                let message = "with no bundle_file_path configured only self-signed CAs are supported";
                return Err(error(ErrorClass::Malformed, message));
            }
            chain.clone()
        };
        let parse = |ders: &[Vec<u8>], what: &str| {
            let parsed: Result<Vec<_>, _> = ders.iter().map(|der| Certificate::from_der(der)).collect();
            parsed.map_err(|reason| malformed(&format!(" {what}: {reason}")))
        };
        let (path, authorities) = (parse(&chain, "cert")?, parse(&roots, "bundle")?);
        let certificate = path.first().cloned().ok_or_else(|| malformed(" cert: no certificates"))?;
        if certificate.public_key() != key.public_key() {
            return Err(malformed(": certificate and private key do not match"));
        }
        let unverified = ": certificate cannot be validated with the provided bundle or is not self-signed";
        if !leads_to(&path, &authorities) {
            return Err(malformed(unverified));
        }
        if let Some(other) = path.iter().find(|one| !(one.not_before()..=one.not_after()).contains(&now)) {
            let (subject, begin, end) = (other.subject(), other.not_before(), other.not_after());
            return Err(malformed(&format!("{unverified}: that of {subject} holds from {begin} to {end}")));
        }
        if config.bundle_file_path.is_none() {
            chain.clear();
        }
        Ok(Self { key, certificate, chain, roots })
    }
}

fn read(what: &str, path: &Path) -> Result<String, PluginError> {
    std::fs::read_to_string(path).map_err(|reason| {
        let message = format!("unable to load upstream CA {what}: open {}: {reason}", path.display());
        error(ErrorClass::Malformed, message)
    })
}

fn certificates(what: &str, path: &Path) -> Result<Vec<Vec<u8>>, PluginError> {
    let text = read(what, path)?;
    let found = pem::certificates(&text)
        .map_err(|reason| error(ErrorClass::Malformed, format!("unable to load upstream CA {what}: {reason}")))?;
    if found.is_empty() {
        let message = format!("unable to load upstream CA {what}: no certificates in {}", path.display());
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

    async fn bundle(&self) -> Result<Option<Bundle>, PluginError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use steeple_crypto::keys::KeyType;
    use steeple_crypto::x509::{Name, self_signed_csr};

    use super::*;

    fn root(key: &PrivateKey) -> Vec<u8> {
        signed("ROOT", "ROOT", key)
    }

    /// A certificate that says who signed it; `key` is its own, and signs it.
    fn signed(name: &str, issuer: &str, key: &PrivateKey) -> Vec<u8> {
        let name = Name::of("US", name);
        let template = CertificateTemplate {
            serial: &[1],
            issuer: &Name::of("US", issuer).to_der(),
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
        template.encode().sign(key).unwrap()
    }

    fn authority(dir: &Path, certificate: &[u8], key: &PrivateKey) -> Result<DiskAuthority, PluginError> {
        authority_below(dir, certificate, key, None)
    }

    fn authority_below(
        dir: &Path,
        certificate: &[u8],
        key: &PrivateKey,
        bundle: Option<&[u8]>,
    ) -> Result<DiskAuthority, PluginError> {
        let bundle_file_path = bundle.map(|root| {
            let path = dir.join("roots.crt");
            std::fs::write(&path, pem::encode("CERTIFICATE", root)).unwrap();
            path
        });
        std::fs::write(dir.join("ca.crt"), pem::encode("CERTIFICATE", certificate)).unwrap();
        std::fs::write(dir.join("ca.key"), pem::encode("PRIVATE KEY", &key.to_pkcs8().unwrap())).unwrap();
        let config = DiskAuthorityConfig {
            cert_file_path: dir.join("ca.crt"),
            key_file_path: dir.join("ca.key"),
            bundle_file_path,
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
        assert!(error.to_string().ends_with("certificate and private key do not match"), "{error}");
    }

    #[test]
    fn certificate_of_an_issuer_that_is_not_there_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (key, other) =
            (PrivateKey::generate(KeyType::EcP256).unwrap(), PrivateKey::generate(KeyType::EcP256).unwrap());
        let ca = signed("CA", "ROOT", &key);
        assert!(authority_below(dir.path(), &ca, &key, Some(&root(&key))).is_ok());
        let error = authority_below(dir.path(), &ca, &key, Some(&root(&other))).err().unwrap();
        let text = "certificate cannot be validated with the provided bundle or is not self-signed";
        assert!(error.to_string().ends_with(text), "{error}");
    }

    #[tokio::test]
    async fn ca_that_does_not_hold_now_is_refused_and_signs_nothing_after_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let (key, ca) =
            (PrivateKey::generate(KeyType::EcP256).unwrap(), PrivateKey::generate(KeyType::EcP256).unwrap());
        std::fs::write(dir.path().join("ca.crt"), pem::encode("CERTIFICATE", &root(&key))).unwrap();
        std::fs::write(dir.path().join("ca.key"), pem::encode("PRIVATE KEY", &key.to_pkcs8().unwrap())).unwrap();
        let at = |time: &str| {
            let config = DiskAuthorityConfig {
                cert_file_path: dir.path().join("ca.crt"),
                key_file_path: dir.path().join("ca.key"),
                bundle_file_path: None,
            };
            let (clock, hand) = Clock::manual(time.parse().unwrap());
            let authority = DiskAuthority::new(config, TrustDomain::parse("example.org").unwrap(), clock);
            authority.map(|authority| (authority, hand)).map_err(|error| error.to_string())
        };
        for time in ["2024-12-31T23:59:59Z", "2030-01-01T00:00:01Z"] {
            let error = at(time).err().unwrap();
            let said =
                "is not self-signed: that of O=ROOT,C=US holds from 2025-01-01T00:00:00Z to 2030-01-01T00:00:00Z";
            assert!(error.ends_with(said), "{error}");
        }
        let (authority, hand) = at("2029-12-31T23:59:00Z").unwrap();
        let csr = self_signed_csr(&ca, &Name::default(), &["spiffe://example.org".to_owned()], &[]).unwrap();
        assert!(authority.mint_x509_ca(&csr, Duration::from_hours(1)).await.is_ok());
        hand.advance(Duration::from_mins(1));
        let error = authority.mint_x509_ca(&csr, Duration::from_hours(1)).await.unwrap_err();
        assert!(error.to_string().ends_with("the upstream CA has expired, at 2030-01-01T00:00:00Z"), "{error}");
    }

    #[tokio::test]
    async fn ca_signs_on_while_its_files_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (key, ca) =
            (PrivateKey::generate(KeyType::EcP256).unwrap(), PrivateKey::generate(KeyType::EcP256).unwrap());
        let (first, second) = (root(&key), PrivateKey::generate(KeyType::EcP256).unwrap());
        let authority = authority(dir.path(), &first, &key).unwrap();
        let uris = ["spiffe://example.org".to_owned()];
        let csr = self_signed_csr(&ca, &Name::of("US", "SPIFFE"), &uris, &[]).unwrap();
        let signs = async || {
            let minted = authority.mint_x509_ca(&csr, Duration::from_hours(1)).await.unwrap();
            minted.upstream_roots[0].certificate.clone()
        };
        let next = root(&second);
        std::fs::write(dir.path().join("ca.crt"), pem::encode("CERTIFICATE", &next)).unwrap();
        assert_eq!(signs().await, first, "certificate and key don't belong together");
        std::fs::write(dir.path().join("ca.key"), pem::encode("PRIVATE KEY", &second.to_pkcs8().unwrap())).unwrap();
        assert_eq!(signs().await, next);
    }
}
