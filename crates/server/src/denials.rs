//! Denials on their way into the audit trail: the first of a caller and a method at once, further ones counted together.
//!
//! Who may call nothing at all can be denied as often as he likes. He is told of with a count, and no more than so many callers in
//! a while are told one by one, so that nobody fills the trail's disk. A denial waits for no record: it has no effect.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use steeple_audit::{Actor, EventKind};
use steeple_runtime::Shutdown;
use tokio::sync::Notify;
use tracing::warn;

use crate::core::Core;

/// Callers and methods that are told one by one in a while; all others are one record.
const MOST: usize = 100;
/// How long a while is.
const PAUSE: Duration = Duration::from_secs(10);
/// As much of a reason is told, in bytes.
const REASON: usize = 512;
/// Of whom there are too many to be told one by one.
const OTHERS: &str = "*";

/// Denials that are not in the trail yet.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    waiting: Mutex<HashMap<(String, &'static str), Denied>>,
    woken: Notify,
}

/// Denials of one caller and method.
#[derive(Debug)]
struct Denied {
    at: Timestamp,
    actor: Actor,
    reason: String,
    count: u64,
}

impl Denied {
    /// Of callers who are not told one by one.
    fn of_others(at: Timestamp, count: u64) -> Self {
        let reason = "more callers than are told one by one".to_owned();
        Self { at, actor: Actor::Anonymous { address: None }, reason, count }
    }
}

fn others() -> (String, &'static str) {
    (String::new(), OTHERS)
}

impl Denials {
    /// A call, or an item of one, is denied.
    pub(crate) fn note(&self, at: Timestamp, actor: Actor, method: &'static str, reason: &str) {
        let mut waiting = self.waiting.lock();
        let key = (format!("{actor:?}"), method);
        let is_full = waiting.len() >= MOST && !waiting.contains_key(&key);
        let denied = if is_full {
            waiting.entry(others()).or_insert_with(|| Denied::of_others(at, 0))
        } else {
            let reason = reason.get(..reason.floor_char_boundary(REASON)).unwrap_or_default();
            waiting.entry(key).or_insert_with(|| Denied { at, actor, reason: reason.to_owned(), count: 0 })
        };
        denied.count = denied.count.saturating_add(1);
        drop(waiting);
        self.woken.notify_one();
    }

    fn take(&self) -> HashMap<(String, &'static str), Denied> {
        std::mem::take(&mut *self.waiting.lock())
    }

    /// What could not be recorded waits on, with what came meanwhile.
    fn put_back(&self, key: (String, &'static str), denied: Denied) {
        let mut waiting = self.waiting.lock();
        let is_full = waiting.len() >= MOST && !waiting.contains_key(&key);
        let key = if is_full { others() } else { key };
        match waiting.get_mut(&key) {
            Some(known) => known.count = known.count.saturating_add(denied.count),
            None if is_full => drop(waiting.insert(key, Denied::of_others(denied.at, denied.count))),
            None => drop(waiting.insert(key, denied)),
        }
    }
}

/// Records denials until the shutdown, and what waits then.
pub(crate) async fn record_denials(core: Arc<Core>, shutdown: Shutdown) -> Result<(), String> {
    let mut is_failing = false;
    loop {
        let is_end = shutdown.until(core.denials.woken.notified()).await.is_none();
        let failed = record(&core).await;
        if let (Some(error), false) = (&failed, is_failing) {
            warn!(error, "Denials are not in the audit trail yet");
        }
        is_failing = failed.is_some();
        if is_end {
            return Ok(());
        }
        let _ended = shutdown.until(core.clock.sleep(PAUSE)).await;
        if is_failing {
            core.denials.woken.notify_one();
        }
    }
}

/// Records what waits; yields why something could not be.
async fn record(core: &Core) -> Option<String> {
    let mut failed = None;
    for ((who, method), denied) in core.denials.take() {
        let event = EventKind::CallDenied { method, reason: denied.reason.clone(), count: denied.count };
        if let Err(error) = core.audit.record(denied.at, denied.actor.clone(), event).await {
            failed = Some(error.to_string());
            core.denials.put_back((who, method), denied);
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(number: u16) -> Actor {
        Actor::Local { uid: number.into(), pid: 1 }
    }

    #[test]
    fn denials_are_counted_by_caller_and_method_and_none_makes_more_than_so_many_records() {
        let denials = Denials::default();
        let at = Timestamp::UNIX_EPOCH;
        for number in 0..1_000 {
            denials.note(at, caller(number), "/a", "no");
            denials.note(at, caller(0), "/a", "never");
        }
        let mut taken = denials.take();
        assert_eq!(taken.len(), MOST + 1);
        let first = &taken[&(format!("{:?}", caller(0)), "/a")];
        assert_eq!((first.count, first.reason.as_str()), (1_001, "no"));
        assert_eq!(taken[&(String::new(), OTHERS)].count, 900);
        assert!(denials.take().is_empty());
        // What could not be recorded is not lost.
        let key = (format!("{:?}", caller(0)), "/a");
        denials.note(at, caller(0), "/a", "no");
        denials.put_back(key.clone(), taken.remove(&key).unwrap());
        assert_eq!(denials.take()[&key].count, 1_002);
        for number in 0..300 {
            let denied = Denied { at, actor: caller(number), reason: String::new(), count: 2 };
            denials.put_back((number.to_string(), "/a"), denied);
        }
        let taken = denials.take();
        assert_eq!((taken.len(), taken[&others()].count), (MOST + 1, 400));
    }

    #[test]
    fn long_reason_is_cut_off_between_characters() {
        let denials = Denials::default();
        denials.note(Timestamp::UNIX_EPOCH, caller(0), "/a", &format!("x{}", "ä".repeat(400)));
        let taken = denials.take();
        assert_eq!(taken.values().next().unwrap().reason.len(), 511);
    }
}
