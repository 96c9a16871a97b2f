//! Issuing X.509-SVIDs and downstream CAs (X.509-SVID; profile of SPIRE).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use steeple_crypto::keys::{PublicKey, Signer};
use steeple_crypto::verify::leads_to;
use steeple_crypto::x509::{Certificate, CertificateTemplate, Name, Purpose, Unsigned, random_serial};
use steeple_types::SpiffeId;

use crate::IssueError;

/// Clocks of verifiers may be this far behind.
const BACKDATE: Duration = Duration::from_secs(10);

/// An X.509 authority that signs.
pub struct X509Issuer {
    signer: Arc<dyn Signer>,
    certificate: Certificate,
    upstream_chain: Vec<Vec<u8>>,
}

/// What kind of certificate is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SvidProfile {
    /// A leaf.
    Svid,
    /// An intermediate CA of a downstream server.
    DownstreamCa,
}

/// What a certificate is asked to say.
pub struct X509Request<'a> {
    /// For whom.
    pub id: SpiffeId,
    /// The key.
    pub public_key: &'a PublicKey,
    /// DNS names in order; the first becomes the common name.
    pub dns_names: &'a [String],
    /// How long it should hold; cut to the authority's own end.
    pub ttl: Duration,
    /// The subject, `C=US,O=SPIRE` if not given.
    pub subject: Option<Name>,
    /// What kind of certificate.
    pub profile: SvidProfile,
}

/// A certificate that waits to be signed; signing uses it up.
pub struct PreparedX509 {
    issuer: Arc<X509Issuer>,
    unsigned: Unsigned,
    id: SpiffeId,
    serial_number: String,
    expires_at: Timestamp,
}

/// A signed certificate with the chain to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct X509Svid {
    /// For whom.
    pub id: SpiffeId,
    /// The certificate, then the authorities up to but not including the root; DER each.
    pub chain: Vec<Vec<u8>>,
    /// Serial number, decimal.
    pub serial_number: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl X509Issuer {
    /// An authority with its certificate (DER) and the chain (DER, that certificate first) below its upstream root; the
    /// chain is empty for a self-signed authority.
    ///
    /// # Errors
    /// [`IssueError::X509`] when the certificate can't be read.
    pub fn new(signer: Arc<dyn Signer>, certificate: &[u8], upstream_chain: Vec<Vec<u8>>) -> Result<Self, IssueError> {
        Ok(Self { signer, certificate: Certificate::from_der(certificate)?, upstream_chain })
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The authority's ID: its subject key identifier in hexadecimal digits.
    pub fn authority_id(&self) -> String {
        hex::encode(self.certificate.subject_key_id())
    }

    /// Whether one of `authorities` is at the upper end of this authority's chain.
    pub fn comes_from(&self, authorities: &[Certificate]) -> bool {
        let above = self.upstream_chain.iter().filter_map(|der| Certificate::from_der(der).ok());
        let chain: Vec<Certificate> = std::iter::once(self.certificate.clone()).chain(above).collect();
        leads_to(&chain, authorities)
    }

    /// Builds a certificate without signing it.
    ///
    /// # Errors
    /// [`IssueError::Expired`] when the authority's own time is over.
    pub fn prepare(self: &Arc<Self>, request: X509Request<'_>, now: Timestamp) -> Result<PreparedX509, IssueError> {
        let expires_at = (now + request.ttl).min(self.certificate.not_after());
        if expires_at <= now {
            return Err(IssueError::Expired);
        }
        let serial = random_serial()?;
        let mut subject = request.subject.unwrap_or_else(|| match request.profile {
            SvidProfile::Svid => Name::of("US", "SPIRE"),
            SvidProfile::DownstreamCa => self.downstream_subject(),
        });
        if let Some(first) = request.dns_names.first() {
            subject.common_name = Some(first.clone());
        }
        let purpose = match request.profile {
            SvidProfile::Svid => Purpose::Leaf,
            SvidProfile::DownstreamCa => Purpose::Ca,
        };
        let template = CertificateTemplate {
            serial: &serial,
            issuer: self.certificate.subject_der(),
            subject: &subject,
            not_before: now - BACKDATE,
            not_after: expires_at,
            public_key: request.public_key,
            authority_key_id: self.certificate.subject_key_id(),
            purpose,
            uris: &[request.id.as_str().to_owned()],
            dns_names: request.dns_names,
            signature: self.signer.public_key().certificate_signature()?,
        };
        Ok(PreparedX509 {
            issuer: Arc::clone(self),
            unsigned: template.encode(),
            id: request.id,
            serial_number: u128::from_be_bytes(serial).to_string(),
            expires_at,
        })
    }

    /// The signer's own subject, marked with how far below the root the new CA stands.
    fn downstream_subject(&self) -> Name {
        let depth = self.upstream_chain.len().max(1);
        Name { organizational_unit: vec![format!("DOWNSTREAM-{depth}")], ..self.certificate.subject().clone() }
    }
}

impl PreparedX509 {
    /// For whom.
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// Serial number, decimal.
    pub fn serial_number(&self) -> &str {
        &self.serial_number
    }

    /// When it will end.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Signs the certificate.
    ///
    /// # Errors
    /// [`IssueError::Sign`] when the key can't sign.
    pub async fn sign(self) -> Result<X509Svid, IssueError> {
        let signature = self.issuer.signer.sign(self.unsigned.algorithm(), self.unsigned.to_be_signed()).await?;
        let mut chain = Vec::with_capacity(1 + self.issuer.upstream_chain.len());
        chain.push(self.unsigned.finish(&signature));
        chain.extend(self.issuer.upstream_chain.iter().cloned());
        // Certificates hold whole seconds.
        let expires_at = Timestamp::from_second(self.expires_at.as_second()).unwrap_or(self.expires_at);
        Ok(X509Svid { id: self.id, chain, serial_number: self.serial_number, expires_at })
    }
}
