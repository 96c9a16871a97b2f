//! Calls that were refused, each under a reference by which caller, log and operator mean the same one.

use std::collections::VecDeque;

use jiff::Timestamp;
use parking_lot::Mutex;
use steeple_crypto::random;
use steeple_explain::{Attested, RefusalReason};
use steeple_types::Selector;
use tonic::Status;

use crate::core::Caller;

/// Most refusals that are remembered.
const MAX_REFUSALS: usize = 1_000;
/// Most selectors of a caller that are remembered.
const MAX_SELECTORS: usize = 256;

/// The header of a refusal that has its reference.
pub(crate) const HEADER: &str = "steeple-reference";

/// A call that was refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) reference: String,
    pub(crate) at: Timestamp,
    /// Without the service.
    pub(crate) method: String,
    /// Who called, as people read it.
    pub(crate) caller: String,
    pub(crate) selectors: Vec<Selector>,
    pub(crate) attestors: Vec<Attested>,
    pub(crate) reason: RefusalReason,
    /// What the caller was told.
    pub(crate) said: String,
}

/// The last refusals.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<VecDeque<Refusal>>);

impl Refusals {
    /// Remembers a refusal, and yields its reference.
    pub(crate) fn note(&self, mut refusal: Refusal) -> String {
        // Whoever has no randomness left has other worries than references.
        let reference = random::bytes::<6>().map(hex::encode).unwrap_or_default();
        refusal.reference.clone_from(&reference);
        refusal.selectors.truncate(MAX_SELECTORS);
        let mut refusals = self.0.lock();
        refusals.truncate(MAX_REFUSALS - 1);
        refusals.push_front(refusal);
        reference
    }

    /// The refusal under a reference.
    pub(crate) fn find(&self, reference: &str) -> Option<Refusal> {
        self.0.lock().iter().find(|refusal| refusal.reference == reference).cloned()
    }

    /// The last refusal of a caller since `since` that `counts`.
    pub(crate) fn last_of(
        &self,
        caller: &str,
        since: Timestamp,
        counts: fn(&RefusalReason) -> bool,
    ) -> Option<Refusal> {
        let refusals = self.0.lock();
        let mut recent = refusals.iter().take_while(|refusal| refusal.at >= since);
        recent.find(|refusal| refusal.caller == caller && counts(&refusal.reason)).cloned()
    }
}

/// Puts the reference into what the caller is told.
pub(crate) fn referred(mut status: Status, reference: &str) -> Status {
    if let Ok(value) = reference.parse() {
        status.metadata_mut().insert(HEADER, value);
    }
    status
}

/// A caller, as people read it.
pub(crate) fn name(caller: &Caller) -> String {
    match caller {
        Caller::Process(peer) => process(peer.process.pid()),
        Caller::Pod(pod) => format!("pod {}/{} ({})", pod.namespace, pod.name, pod.uid),
    }
}

/// A process, as people read it.
pub(crate) fn process(pid: u32) -> String {
    format!("process {pid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(caller: &str, second: i64, reason: RefusalReason) -> Refusal {
        Refusal {
            reference: String::new(),
            at: Timestamp::from_second(second).unwrap(),
            method: "FetchX509SVID".to_owned(),
            caller: caller.to_owned(),
            selectors: vec![Selector::new("unix", "uid:1").unwrap(); MAX_SELECTORS + 1],
            attestors: Vec::new(),
            reason,
            said: "no identity issued".to_owned(),
        }
    }

    #[test]
    fn references_are_found_until_a_thousand_others_came() {
        let refusals = Refusals::default();
        let first = refusals.note(refusal("a", 1, RefusalReason::NoIdentity));
        assert_eq!(refusals.find(&first).unwrap().selectors.len(), MAX_SELECTORS);
        for _ in 0..MAX_REFUSALS - 1 {
            assert_ne!(refusals.note(refusal("b", 2, RefusalReason::NoIdentity)), first);
        }
        assert_eq!(refusals.find(&first).unwrap().caller, "a");
        refusals.note(refusal("b", 3, RefusalReason::NoIdentity));
        assert!(refusals.find(&first).is_none());
        assert_eq!(refusals.0.lock().len(), MAX_REFUSALS);
    }

    #[test]
    fn last_refusal_of_a_caller_is_the_one_that_counts() {
        let refusals = Refusals::default();
        refusals.note(refusal("a", 5, RefusalReason::NoHeader));
        refusals.note(refusal("a", 6, RefusalReason::NoIdentity));
        let counts: fn(&RefusalReason) -> bool = |reason| *reason != RefusalReason::NoIdentity;
        let since = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(refusals.last_of("a", since(5), counts).unwrap().reason, RefusalReason::NoHeader);
        assert!(refusals.last_of("a", since(6), counts).is_none() && refusals.last_of("b", since(0), counts).is_none());
    }
}
