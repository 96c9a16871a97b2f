//! Whether a datastore belongs to the configured trust domain.

use steeple_types::TrustDomain;

use crate::{EntryFilter, ErrorClass, NodeFilter, Page, ReadTx, StoreError};

/// Checks that the first entry, as SPIRE does at its start, belongs to `ours`. Returns the trust domain of the first node when
/// that is another: its agents will have to attest anew, which is worth a warning.
///
/// # Errors
/// [`ErrorClass::Unfit`] when the entry belongs to another trust domain; that of the datastore.
pub fn check_trust_domain(tx: &mut dyn ReadTx, ours: &TrustDomain) -> Result<Option<TrustDomain>, StoreError> {
    let first = Page { size: 1, token: String::new() };
    for entry in tx.entries(&EntryFilter::default(), &first)?.items {
        if !entry.spiffe_id.member_of(ours) {
            let message = format!(
                "the datastore holds an entry of trust domain \"{}\", which is not the configured \"{ours}\"; \
                 delete all entries to change the trust domain",
                entry.spiffe_id.trust_domain_name()
            );
            return Err(StoreError::new(ErrorClass::Unfit, message));
        }
    }
    let nodes = tx.nodes(&NodeFilter::default(), &first)?.items;
    Ok(nodes.into_iter().find(|node| !node.id.member_of(ours)).map(|node| node.id.trust_domain()))
}
