//! X.509 authorities: signed by themselves or by an upstream authority.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use steeple_clock::Clock;
use steeple_crypto::keys::{KeyType, Signer};
use steeple_crypto::verify::leads_to;
use steeple_crypto::x509::{Certificate, CertificateTemplate, Purpose, csr_to_be_signed, finish_csr, random_serial};
use steeple_plugin::UpstreamAuthority;
use steeple_proto::spire::journal::X509caEntry;
use steeple_types::X509Authority;
use tracing::debug;

use super::kind::{AuthorityKind, Kind, Made};
use super::means::Means;
use super::{CaConfig, KeeperError};
use crate::X509Issuer;
use crate::journal::stored;
use crate::slot::{Authority, SlotName, Status};

/// Clocks of verifiers may be this far behind.
const BACKDATE: Duration = Duration::from_secs(10);

/// The X.509 authorities.
pub(super) struct X509;

/// A CA certificate that was made, with what belongs to it.
struct Minted {
    certificate: Certificate,
    upstream_chain: Vec<Vec<u8>>,
    roots: Vec<X509Authority>,
}

#[async_trait]
impl Kind for X509 {
    type Issuer = X509Issuer;
    type Entry = X509caEntry;
    type Publication = Vec<X509Authority>;

    const KIND: AuthorityKind = AuthorityKind::X509;
    const CALLED: &'static str = "X509 CA";

    fn key_id(slot: SlotName) -> String {
        format!("x509-CA-{}", slot.as_str())
    }

    fn key_type(config: &CaConfig) -> KeyType {
        config.x509_key_type
    }

    fn is_enabled(_config: &CaConfig) -> bool {
        true
    }

    async fn make(
        means: &Means,
        signer: Arc<dyn Signer>,
        slot: SlotName,
        issued_at: Timestamp,
    ) -> Result<Made<Self>, KeeperError> {
        let minted = match &means.upstream {
            Some(upstream) => mint_upstream(&means.config, &*signer, &**upstream, &means.clock).await?,
            None => self_sign(&means.config, &*signer, issued_at).await?,
        };
        let upstream_authority_id = hex::encode(minted.certificate.authority_key_id());
        let (certificate, not_after) = (minted.certificate.der().to_vec(), minted.certificate.not_after());
        let issuer = X509Issuer::new(signer, &certificate, minted.upstream_chain.clone())?;
        let id = issuer.authority_id();
        let entry = X509caEntry {
            slot_id: slot.as_str().to_owned(),
            issued_at: issued_at.as_second(),
            certificate,
            upstream_chain: minted.upstream_chain,
            status: stored(Status::Prepared).into(),
            authority_id: id.clone(),
            not_after: not_after.as_second(),
            upstream_authority_id: upstream_authority_id.clone(),
        };
        let upstream_authority_id = Some(upstream_authority_id);
        let authority = Authority { issuer: Arc::new(issuer), id, issued_at, not_after, upstream_authority_id };
        Ok(Made { authority, entry, publication: minted.roots })
    }

    async fn publish(means: &mut Means, roots: Vec<X509Authority>) -> Result<(), KeeperError> {
        if means.upstream.is_some() {
            return means.take_over_upstream_roots(roots).await;
        }
        means.store.publish(roots, Vec::new()).await?;
        Ok(())
    }

    fn restore(
        entry: &X509caEntry,
        signer: &Arc<dyn Signer>,
        _config: &CaConfig,
        now: Timestamp,
    ) -> Option<Authority<X509Issuer>> {
        let certificate = Certificate::from_der(&entry.certificate).ok()?;
        if certificate.public_key() != signer.public_key() || certificate.not_after() <= now {
            return None;
        }
        let issuer = X509Issuer::new(Arc::clone(signer), &entry.certificate, entry.upstream_chain.clone()).ok()?;
        Some(Authority {
            id: issuer.authority_id(),
            issuer: Arc::new(issuer),
            issued_at: Timestamp::from_second(entry.issued_at).ok()?,
            not_after: certificate.not_after(),
            upstream_authority_id: Some(entry.upstream_authority_id.clone()),
        })
    }

    fn is_self_signed(means: &Means) -> Option<bool> {
        Some(means.upstream.is_none())
    }

    fn activated(authority: &Authority<X509Issuer>, means: &Means) {
        let ttl = authority.not_after.duration_since(means.clock.now()).as_secs_f64();
        let trust_domain_id = means.config.trust_domain.id_string();
        debug!(subsystem_name = "ca_manager", trust_domain_id, ttl, "Successfully rotated X.509 CA");
    }
}

async fn self_sign(config: &CaConfig, signer: &dyn Signer, now: Timestamp) -> Result<Minted, KeeperError> {
    let serial = random_serial()?;
    let subject = config.subject.with_serial(u128::from_be_bytes(serial).to_string());
    let template = CertificateTemplate {
        serial: &serial,
        issuer: &subject.to_der(),
        subject: &subject,
        not_before: now - BACKDATE,
        not_after: now + config.ca_ttl,
        public_key: signer.public_key(),
        authority_key_id: &[],
        purpose: Purpose::Ca,
        uris: &[config.trust_domain.id_string()],
        dns_names: &[],
        signature: signer.public_key().certificate_signature()?,
    };
    let unsigned = template.encode();
    let signature = signer.sign(unsigned.algorithm(), unsigned.to_be_signed()).await?;
    let certificate = Certificate::from_der(&unsigned.finish(&signature))?;
    let root = X509Authority { certificate: certificate.der().to_vec(), tainted: false };
    Ok(Minted { certificate, upstream_chain: Vec::new(), roots: vec![root] })
}

async fn mint_upstream(
    config: &CaConfig,
    signer: &dyn Signer,
    upstream: &dyn UpstreamAuthority,
    clock: &Clock,
) -> Result<Minted, KeeperError> {
    let serial = u128::from_be_bytes(random_serial()?).to_string();
    let subject = config.subject.with_serial(serial);
    let uris = [config.trust_domain.id_string()];
    let body = csr_to_be_signed(&subject, signer.public_key(), &uris, &[]);
    let algorithm = signer.public_key().certificate_signature()?;
    let csr = finish_csr(&body, algorithm, &signer.sign(algorithm, &body).await?);
    let minted = upstream.mint_x509_ca(&csr, config.ca_ttl).await?;
    let first = minted.chain.first().ok_or_else(|| KeeperError::Upstream("the chain is empty".into()))?;
    let certificate = Certificate::from_der(first)?;
    if certificate.public_key() != signer.public_key() {
        return Err(KeeperError::Upstream("its key is another than was asked for".into()));
    }
    if certificate.not_after() <= clock.now() {
        return Err(KeeperError::Upstream(format!("it has expired, at {}", certificate.not_after())));
    }
    if minted.upstream_roots.is_empty() {
        return Err(KeeperError::Upstream("no roots came with it".into()));
    }
    let parse = |der: &Vec<u8>| Certificate::from_der(der);
    let chain: Vec<Certificate> = minted.chain.iter().map(parse).collect::<Result<_, _>>()?;
    let roots: Vec<Certificate> =
        minted.upstream_roots.iter().map(|root| parse(&root.certificate)).collect::<Result<_, _>>()?;
    if !leads_to(&chain, &roots) {
        return Err(KeeperError::Upstream("its chain leads to none of the roots that came with it".into()));
    }
    Ok(Minted { certificate, upstream_chain: minted.chain, roots: minted.upstream_roots })
}
