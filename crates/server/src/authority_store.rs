//! The keeper's authorities and journal in the datastore.

use async_trait::async_trait;
use steeple_audit::{Actor, Audit, EventKind, Intent};
use steeple_ca::{AuthorityKind, AuthorityStore, StoreFailure, StoredJournal};
use steeple_clock::Clock;
use steeple_crypto::x509::Certificate;
use steeple_store::units::{
    AppendBundle, RevokeJwtAuthority, RevokeX509Authority, StoreCaJournal, TaintJwtAuthority, TaintX509Authority,
};
use steeple_store::{CaJournal, Store};
use steeple_types::{Bundle, JwtAuthority, TrustDomain, X509Authority};

pub(crate) struct DatastoreAuthorities {
    pub(crate) trust_domain: TrustDomain,
    pub(crate) store: Store,
    pub(crate) audit: Audit,
    pub(crate) clock: Clock,
}

fn failed(error: impl std::fmt::Display) -> StoreFailure {
    StoreFailure(error.to_string())
}

#[async_trait]
impl AuthorityStore for DatastoreAuthorities {
    async fn journals(&self) -> Result<Vec<StoredJournal>, StoreFailure> {
        let journals = self.store.read("ca_journal.fetch", |tx| tx.ca_journals()).await.map_err(failed)?;
        let stored = |journal: CaJournal| StoredJournal {
            row: journal.id,
            data: journal.data,
            active_x509_authority_id: journal.active_x509_authority_id,
            active_jwt_authority_id: journal.active_jwt_authority_id,
        };
        Ok(journals.into_iter().map(stored).collect())
    }

    async fn store_journal(&self, journal: StoredJournal) -> Result<i64, StoreFailure> {
        let journal = CaJournal {
            id: journal.row,
            data: journal.data,
            active_x509_authority_id: journal.active_x509_authority_id,
            active_jwt_authority_id: journal.active_jwt_authority_id,
        };
        Ok(self.store.write(StoreCaJournal { journal }).await.map_err(failed)?.value)
    }

    async fn bundle(&self) -> Result<Option<Bundle>, StoreFailure> {
        let trust_domain = self.trust_domain.clone();
        self.store.read("bundle.fetch", move |tx| tx.bundle(&trust_domain)).await.map_err(failed)
    }

    async fn publish(&self, x509: Vec<X509Authority>, jwt: Vec<JwtAuthority>) -> Result<Bundle, StoreFailure> {
        let unit =
            AppendBundle { trust_domain: self.trust_domain.clone(), x509_authorities: x509, jwt_authorities: jwt };
        Ok(self.store.write(unit).await.map_err(failed)?.value)
    }

    async fn take_over(&self, x509: Vec<X509Authority>, jwt: Vec<JwtAuthority>) -> Result<Bundle, StoreFailure> {
        let event = EventKind::BundleAppended { trust_domain: self.trust_domain.clone() };
        let intent = self.record(&Actor::Server, event).await?;
        intent.outcome(self.publish(x509, jwt).await).await
    }

    async fn taint(&self, kind: AuthorityKind, authority_id: &str) -> Result<(), StoreFailure> {
        let (trust_domain, authority_id) = (self.trust_domain.clone(), authority_id.to_owned());
        let written = match kind {
            AuthorityKind::X509 => self.store.write(TaintX509Authority { trust_domain, authority_id, id_of }).await,
            AuthorityKind::Jwt => self.store.write(TaintJwtAuthority { trust_domain, authority_id }).await,
        };
        written.map(|_| ()).map_err(failed)
    }

    async fn revoke(&self, kind: AuthorityKind, authority_id: &str) -> Result<(), StoreFailure> {
        let (trust_domain, authority_id) = (self.trust_domain.clone(), authority_id.to_owned());
        let written = match kind {
            AuthorityKind::X509 => self.store.write(RevokeX509Authority { trust_domain, authority_id, id_of }).await,
            AuthorityKind::Jwt => self.store.write(RevokeJwtAuthority { trust_domain, authority_id }).await,
        };
        written.map(|_| ()).map_err(failed)
    }

    async fn record(&self, by: &Actor, event: EventKind) -> Result<Intent, StoreFailure> {
        self.audit.record(self.clock.now(), by.clone(), event).await.map_err(failed)
    }
}

/// The ID of an X.509 authority.
fn id_of(authority: &X509Authority) -> Result<String, String> {
    let certificate = Certificate::from_der(&authority.certificate).map_err(|error| error.to_string())?;
    Ok(hex::encode(certificate.subject_key_id()))
}
