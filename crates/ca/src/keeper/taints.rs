//! What follows from tainted upstream authorities: the server's own CA goes over to another first, then the taint is told.

use steeple_audit::{Actor, EventKind};
use steeple_crypto::x509::Certificate;
use steeple_types::{Bundle, X509Authority};
use tracing::{debug, info};

use super::kind::AuthorityKind;
use super::means::Means;
use super::{Keeper, KeeperError};
use crate::X509Issuer;

impl Keeper {
    /// The bundle has changed, perhaps by another server. An authority of this one that a newly tainted upstream authority
    /// signed gives way to another.
    ///
    /// # Errors
    /// [`KeeperError`] when no other authority could be made.
    pub async fn bundle_changed(&mut self, bundle: &Bundle) -> Result<(), KeeperError> {
        let mut seen = self.seen.clone();
        let tainted = seen.news(&bundle.x509_authorities);
        if self.has_upstream() && !tainted.is_empty() {
            self.leave(&tainted).await?;
        }
        self.seen = seen;
        Ok(())
    }

    /// The upstream authority tells another bundle: its authorities are taken over, and its taints are acted on.
    ///
    /// # Errors
    /// [`KeeperError`] when that did not work; the bundle is then to be told again.
    pub async fn upstream_changed(&mut self, bundle: Bundle) -> Result<(), KeeperError> {
        self.means.take_over_upstream_roots(bundle.x509_authorities).await?;
        self.means.jwt_keys.take_over(bundle.jwt_authorities).await?;
        self.follow_upstream_taints().await
    }

    /// Acts on taints that the upstream authority has told, once this server's own authority has another signer: agents and
    /// nested servers, who learn of them by the bundle, then get nothing tainted anew.
    pub(super) async fn follow_upstream_taints(&mut self) -> Result<(), KeeperError> {
        if self.means.tainted_upstream.is_empty() {
            return Ok(());
        }
        debug!(subsystem_name = "ca_manager", "Processing tainted keys on upstream authority");
        let tainted = self.means.tainted_upstream.clone();
        self.leave(&tainted).await?;
        // Another server may have been told too.
        let bundle = self.means.store.bundle().await?;
        let known = bundle.map(|bundle| bundle.x509_authorities).unwrap_or_default();
        while let Some(authority) = self.means.tainted_upstream.first() {
            if known.iter().any(|known| known.certificate == authority.der() && !known.tainted) {
                let id = id_of(authority);
                let event = |kind, authority_id| EventKind::AuthorityTainted { kind, authority_id };
                let intent = self.means.record(&Actor::Server, event, AuthorityKind::X509, &id).await?;
                intent.outcome(self.means.store.taint(AuthorityKind::X509, &id).await).await?;
            }
            self.means.tainted_upstream.remove(0);
        }
        Ok(())
    }

    /// Goes over to another X.509 authority if one of `tainted` signed the one in use.
    async fn leave(&mut self, tainted: &[Certificate]) -> Result<(), KeeperError> {
        let comes_from = |issuer: &X509Issuer| issuer.comes_from(tainted);
        if !self.x509.active().is_some_and(|active| comes_from(active)) {
            return Ok(());
        }
        info!(
            subsystem_name = "ca_manager",
            "Current root CA is signed by a tainted upstream authority, preparing rotation"
        );
        let usable = match self.x509.waiting() {
            Some(waiting) if comes_from(waiting) => {
                info!(subsystem_name = "ca_manager", "Next authority is tainted, prepare new X.509 authority");
                false
            }
            waiting => waiting.is_some(),
        };
        if !usable {
            self.x509.prepare(&mut self.means, &Actor::Server).await?;
        }
        // One of several servers above may not have gone over yet.
        if self.x509.waiting().is_some_and(|waiting| comes_from(waiting)) {
            return Err(KeeperError::Upstream("it comes from a tainted authority".to_owned()));
        }
        self.x509.activate(&mut self.means, &Actor::Server).await
    }
}

impl Means {
    /// Takes over the roots that the upstream authority tells: new ones are published, a taint is noted, and a tainted one
    /// that is told no more is revoked. A taint in the bundle is never taken back.
    pub(super) async fn take_over_upstream_roots(&mut self, roots: Vec<X509Authority>) -> Result<(), KeeperError> {
        let bundle = self.store.bundle().await?;
        let known = bundle.map(|bundle| bundle.x509_authorities).unwrap_or_default();
        let told: Vec<String> = roots.iter().filter_map(read).map(|root| id_of(&root)).collect();
        let mut new = Vec::new();
        for root in roots {
            match known.iter().find(|known| known.certificate == root.certificate) {
                Some(known) if root.tainted && !known.tainted => self.note_taint(&root),
                Some(_) => {}
                None => new.push(root),
            }
        }
        for authority in known.iter().filter(|known| known.tainted).filter_map(read) {
            let id = id_of(&authority);
            if told.contains(&id) {
                continue;
            }
            let event = |kind, authority_id| EventKind::AuthorityRevoked { kind, authority_id };
            let intent = self.record(&Actor::Server, event, AuthorityKind::X509, &id).await?;
            intent.outcome(self.store.revoke(AuthorityKind::X509, &id).await).await?;
            info!(subject_key_id = id, subsystem_name = "ca_manager", "X.509 authority revoked");
        }
        if !new.is_empty() {
            self.store.take_over(new, Vec::new()).await?;
        }
        Ok(())
    }

    fn note_taint(&mut self, root: &X509Authority) {
        let Some(authority) = read(root).filter(|root| !self.tainted_upstream.contains(root)) else { return };
        info!(subject_key_id = id_of(&authority), subsystem_name = "ca_manager", "X.509 authority tainted");
        self.tainted_upstream.push(authority);
    }
}

fn read(authority: &X509Authority) -> Option<Certificate> {
    Certificate::from_der(&authority.certificate).ok()
}

fn id_of(authority: &Certificate) -> String {
    hex::encode(authority.subject_key_id())
}
