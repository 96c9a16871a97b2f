//! What follows from tainted authorities: SVIDs that come from them are replaced, the agent's own too, and tokens go.

use std::collections::BTreeSet;

use jiff::Timestamp;
use steeple_crypto::taint::SeenTaints;
use steeple_crypto::verify::leads_to;
use steeple_crypto::x509::Certificate;
use steeple_types::{Bundle, EntryId};
use tracing::{debug, info};

use super::{LOOK, Manager};

/// Most SVIDs looked through at a time, so that a fleet does not ask for everything at once.
const AT_ONCE: usize = 100;

/// Taints that were heard of, and what is still to be done about them.
#[derive(Default)]
pub(super) struct Taints {
    seen: SeenTaints,
    seen_keys: BTreeSet<String>,
    /// Whether the agent's own SVID comes from a tainted authority.
    pub(super) of_agent: bool,
    /// The entries whose SVIDs are still to be looked at, and the authorities that they must not come from.
    left: Vec<EntryId>,
    authorities: Vec<Certificate>,
    /// When the next of them are looked at.
    next: Option<Timestamp>,
}

impl Manager {
    /// Hears of the taints of the own bundle. What was heard of before is left alone.
    pub(super) fn hear_taints(&mut self, own: &Bundle) {
        let tainted = self.taints.seen.news(&own.x509_authorities);
        if !tainted.is_empty() {
            self.taint_x509(tainted);
        }
        let tainted = own.jwt_authorities.iter().filter(|authority| authority.tainted);
        let tainted: BTreeSet<String> = tainted.map(|authority| authority.key_id.clone()).collect();
        if tainted != self.taints.seen_keys {
            self.taint_jwt(tainted);
        }
    }

    fn taint_x509(&mut self, tainted: Vec<Certificate>) {
        let ids: Vec<String> = tainted.iter().map(|authority| hex::encode(authority.subject_key_id())).collect();
        debug!(subject_key_ids = ids.join(","), subsystem_name = "manager", "New tainted X.509 authorities found");
        let snapshot = self.core.cache.snapshot();
        let with_svid = snapshot.identities.iter().filter(|(_, identity)| identity.svid.is_some());
        let taints = &mut self.taints;
        taints.left = with_svid.map(|(id, _)| id.clone()).collect();
        if taints.left.is_empty() {
            debug!(subsystem_name = "cache_manager", "No SVID entries to process for tainted X.509 authorities");
        } else {
            debug!(
                count = taints.left.len(),
                subsystem_name = "cache_manager",
                "Scheduled rotation for SVID entries due to tainted X.509 authorities"
            );
        }
        let own = self.core.tls.svid();
        if taints.of_agent {
            debug!(subsystem_name = "manager", "Agent SVID already tainted");
        } else if own.is_some_and(|svid| leads_to(&svid.certificates, &tainted)) {
            info!(subsystem_name = "manager", "Agent SVID is tainted by a root authority, forcing rotation");
            taints.of_agent = true;
        }
        // Those of an earlier taint that were not looked at yet are among those to look at now.
        taints.authorities.extend(tainted);
        taints.next = None;
    }

    fn taint_jwt(&mut self, tainted: BTreeSet<String>) {
        let new: Vec<&str> = tainted.difference(&self.taints.seen_keys).map(String::as_str).collect();
        let is_news = !new.is_empty();
        if is_news {
            let ids = new.join(",");
            debug!(jwt_authority_key_ids = ids, subsystem_name = "manager", "New tainted JWT authorities found");
        }
        let began = self.core.clock.monotonic();
        self.taints.seen_keys.clone_from(&tainted);
        let dropped = self.core.tokens.taint(tainted);
        let mut all = 0;
        for (key_id, count) in dropped {
            info!(
                jwt_authority_key_ids = key_id,
                subsystem_name = "cache_manager",
                tainted_jwt_svids = count,
                "JWT-SVIDs were removed from the JWT cache because they were issued by a tainted authority"
            );
            all += count;
        }
        if is_news {
            self.count_tainted("jwt", all, began);
        }
    }

    /// Looks at some of the SVIDs that may come from a tainted authority, every few seconds; those that do are due.
    pub(super) fn look_for_tainted(&mut self) {
        let now = self.core.clock.now();
        if self.taints.left.is_empty() || self.taints.next.is_some_and(|next| next > now) {
            return;
        }
        let began = self.core.clock.monotonic();
        let rest = self.taints.left.split_off(self.taints.left.len().min(AT_ONCE));
        let looked_at = std::mem::replace(&mut self.taints.left, rest);
        let tainted_x509_svids = self.core.cache.taint(&looked_at, &self.taints.authorities);
        info!(subsystem_name = "cache_manager", tainted_x509_svids, "Tainted X.509 SVIDs");
        self.count_tainted("x509", tainted_x509_svids, began);
        if self.taints.left.is_empty() {
            self.taints.authorities.clear();
            info!(subsystem_name = "cache_manager", "Finished processing all tainted entries");
        } else {
            self.taints.next = Some(now + LOOK);
            let count = self.taints.left.len();
            info!(count, subsystem_name = "cache_manager", "There are tainted X.509 SVIDs left to be processed");
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a sample is a float")]
    fn count_tainted(&self, kind: &str, count: usize, began: std::time::Duration) {
        let elapsed = self.core.clock.monotonic().saturating_sub(began);
        let metrics = &self.core.metrics;
        metrics.call(&format!("cache_manager_workload_process_tainted_{kind}_svids"), "OK", elapsed);
        metrics.sample(&format!("cache_manager_tainted_{kind}_svids_workload"), count as f64);
    }
}
