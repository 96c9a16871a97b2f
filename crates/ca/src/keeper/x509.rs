//! X.509 authorities in their slots.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use steeple_crypto::keys::Signer;
use steeple_crypto::x509::{Certificate, CertificateTemplate, Purpose, csr_to_be_signed, finish_csr, random_serial};
use steeple_proto::spire::journal::X509caEntry;
use steeple_types::X509Authority;
use tracing::{debug, info};

use super::{Keeper, KeeperError, logged};
use crate::X509Issuer;
use crate::journal::stored;
use crate::slot::{Authority, SlotName, Status};

/// An X.509 authority.
#[derive(Clone)]
pub(crate) struct X509Slot {
    pub(crate) issuer: Arc<X509Issuer>,
    pub(crate) issued_at: Timestamp,
    pub(crate) upstream_authority_id: String,
}

impl Authority for X509Slot {
    fn id(&self) -> String {
        self.issuer.authority_id()
    }

    fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    fn not_after(&self) -> Timestamp {
        self.issuer.certificate().not_after()
    }
}

/// A CA certificate that was made, with what belongs to it.
struct Minted {
    certificate: Vec<u8>,
    upstream_chain: Vec<Vec<u8>>,
    roots: Vec<X509Authority>,
    upstream_authority_id: String,
}

pub(crate) fn key_id(slot: SlotName) -> String {
    format!("x509-CA-{}", slot.as_str())
}

impl Keeper {
    pub(super) async fn prepare_x509(&mut self) -> Result<(), KeeperError> {
        let slot = self.x509.free_name();
        debug!(slot = slot.as_str(), subsystem_name = "ca_manager", "Preparing X509 CA");
        let issued_at = self.clock.now();
        let key = self.keys.generate_key(&key_id(slot), self.config.x509_key_type).await?;
        let minted = match self.upstream.clone() {
            Some(upstream) => self.mint_upstream(&*key.signer, &*upstream).await?,
            None => self.self_sign(&*key.signer, issued_at).await?,
        };
        self.store.publish(minted.roots, Vec::new()).await?;
        let issuer = Arc::new(X509Issuer::new(key.signer, &minted.certificate, minted.upstream_chain.clone())?);
        let authority = X509Slot { issuer, issued_at, upstream_authority_id: minted.upstream_authority_id.clone() };
        self.journal.add_x509(X509caEntry {
            slot_id: slot.as_str().to_owned(),
            issued_at: issued_at.as_second(),
            certificate: minted.certificate,
            upstream_chain: minted.upstream_chain,
            status: stored(Status::Prepared).into(),
            authority_id: authority.id(),
            not_after: authority.not_after().as_second(),
            upstream_authority_id: minted.upstream_authority_id,
        });
        self.store_journal().await?;
        info!(
            expiration = logged(authority.not_after()),
            issued_at = logged(issued_at),
            local_authority_id = authority.id(),
            self_signed = self.upstream.is_none(),
            slot = slot.as_str(),
            subsystem_name = "ca_manager",
            upstream_authority_id = authority.upstream_authority_id,
            "X509 CA prepared"
        );
        self.x509.prepared(authority);
        Ok(())
    }

    pub(super) async fn activate_x509(&mut self) -> Result<(), KeeperError> {
        let Some(waiting) = self.x509.waiting().map(|slot| slot.authority.id()) else { return Ok(()) };
        self.store.record_activation("x509", &waiting).await?;
        if let Some(active) = &self.x509.active {
            self.journal.mark_x509(&active.authority.id(), Status::Old);
        }
        self.journal.mark_x509(&waiting, Status::Active);
        let Some(slot) = self.x509.activate() else { return Ok(()) };
        let authority = &slot.authority;
        info!(
            expiration = logged(authority.not_after()),
            issued_at = logged(authority.issued_at),
            local_authority_id = authority.id(),
            slot = slot.name.as_str(),
            subsystem_name = "ca_manager",
            upstream_authority_id = authority.upstream_authority_id,
            "X509 CA activated"
        );
        let ttl = authority.not_after().duration_since(self.clock.now()).as_secs_f64();
        self.store_journal().await?;
        self.announce_x509();
        let trust_domain_id = self.config.trust_domain.id_string();
        debug!(subsystem_name = "ca_manager", trust_domain_id, ttl, "Successfully rotated X.509 CA");
        Ok(())
    }

    pub(super) fn announce_x509(&self) {
        let issuer = self.x509.active.as_ref().map(|slot| Arc::clone(&slot.authority.issuer));
        self.x509_issuer.send_replace(issuer);
    }

    async fn self_sign(&self, signer: &dyn Signer, now: Timestamp) -> Result<Minted, KeeperError> {
        let serial = random_serial()?;
        let subject = self.config.subject.with_serial(u128::from_be_bytes(serial).to_string());
        let template = CertificateTemplate {
            serial: &serial,
            issuer: &subject.to_der(),
            subject: &subject,
            not_before: now - Duration::from_secs(10),
            not_after: now + self.config.ca_ttl,
            public_key: signer.public_key(),
            authority_key_id: &[],
            purpose: Purpose::Ca,
            uris: &[self.config.trust_domain.id_string()],
            dns_names: &[],
            signature: signer.public_key().certificate_signature()?,
        };
        let unsigned = template.encode();
        let signature = signer.sign(unsigned.algorithm(), unsigned.to_be_signed()).await?;
        let certificate = unsigned.finish(&signature);
        let root = X509Authority { certificate: certificate.clone(), tainted: false };
        Ok(Minted { certificate, upstream_chain: Vec::new(), roots: vec![root], upstream_authority_id: String::new() })
    }

    async fn mint_upstream(
        &self,
        signer: &dyn Signer,
        upstream: &dyn steeple_plugin::UpstreamAuthority,
    ) -> Result<Minted, KeeperError> {
        let serial = u128::from_be_bytes(random_serial()?).to_string();
        let subject = self.config.subject.with_serial(serial);
        let uris = [self.config.trust_domain.id_string()];
        let body = csr_to_be_signed(&subject, signer.public_key(), &uris, &[]);
        let algorithm = signer.public_key().certificate_signature()?;
        let csr = finish_csr(&body, algorithm, &signer.sign(algorithm, &body).await?);
        let minted = upstream.mint_x509_ca(&csr, self.config.ca_ttl).await?;
        let certificate =
            minted.chain.first().cloned().ok_or_else(|| KeeperError::Upstream("the chain is empty".into()))?;
        let parsed = Certificate::from_der(&certificate)?;
        if parsed.public_key() != signer.public_key() {
            return Err(KeeperError::Upstream("its key is another than was asked for".into()));
        }
        if minted.upstream_roots.is_empty() {
            return Err(KeeperError::Upstream("no roots came with it".into()));
        }
        let upstream_authority_id = signed_by(&parsed);
        Ok(Minted { certificate, upstream_chain: minted.chain, roots: minted.upstream_roots, upstream_authority_id })
    }
}

/// The ID of the authority that signed `certificate`: its authority key identifier in hexadecimal digits.
fn signed_by(certificate: &Certificate) -> String {
    hex::encode(certificate.authority_key_id())
}
