//! Where events wait for the writer, and what waits together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::AuditError;
use crate::form::Forms;

/// Most callers that wait for the writer; further ones wait for their turn.
const QUEUE: usize = 4_096;

/// Callers whose events become durable at once: no more of them,
const GROUP: usize = 1_024;

/// and none after so many bytes.
const GROUP_BYTES: usize = 4 << 20;

/// So many records are worth a sync of their own, which costs as much CPU as building about as many: nobody waits for more, and
/// those who ask next are served while these are synced.
const ENOUGH: usize = 16;

/// What the writer is asked.
#[derive(Debug)]
pub(super) enum Asked {
    /// To record.
    Record(Waiting),
    /// To make a checkpoint, and to tell whether it covers all.
    Checkpoint(oneshot::Sender<bool>),
    /// To end.
    End,
}

/// Events of one caller, and where he waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) forms: Forms,
    pub(super) answer: oneshot::Sender<Result<(), AuditError>>,
}

/// The writer is gone.
#[derive(Debug)]
pub(super) struct Ended;

/// What waits since the writer took what there was.
#[derive(Debug, Default)]
struct Gathered {
    records: AtomicUsize,
    /// How often the writer took.
    taken: AtomicU64,
}

/// The callers' side.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    asked: mpsc::Sender<Asked>,
    gathered: Arc<Gathered>,
    begin: mpsc::Sender<()>,
}

/// The writer's side.
#[derive(Debug)]
pub(super) struct Queue {
    asked: mpsc::Receiver<Asked>,
    gathered: Arc<Gathered>,
    begin: mpsc::Receiver<()>,
    /// Whether the last group was as large as one may be, so that there may be more.
    is_more: bool,
}

/// A queue.
pub(super) fn queue() -> (Asking, Queue) {
    let gathered = Arc::new(Gathered::default());
    let (asks, asked) = mpsc::channel(QUEUE);
    let (begins, begin) = mpsc::channel(1);
    let asking = Asking { asked: asks, gathered: gathered.clone(), begin: begins };
    (asking, Queue { asked, gathered, begin, is_more: false })
}

impl Asking {
    /// Asks the writer.
    ///
    /// The first who asks after the writer took what there was lets everybody else have a turn who is ready to run, and only then has
    /// the writer begin, unless enough came together before: a sync costs as much for one record as for a hundred. It takes no time
    /// where nobody else is ready.
    pub(super) async fn ask(&self, asked: Asked) -> Result<(), Ended> {
        let records = if let Asked::Record(waiting) = &asked { waiting.forms.count() } else { ENOUGH };
        self.asked.send(asked).await.map_err(|_| Ended)?;
        let before = self.gathered.records.fetch_add(records, Ordering::AcqRel);
        if before < ENOUGH && before.saturating_add(records) >= ENOUGH {
            self.begin();
        } else if before == 0 {
            let _begin = Begin { asking: self, taken: self.gathered.taken.load(Ordering::Acquire) };
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn begin(&self) {
        // It has been told if there is no room, and has ended if nobody listens.
        let _ = self.begin.try_send(());
    }
}

/// Has the writer begin unless it has, also when the caller has given up.
struct Begin<'a> {
    asking: &'a Asking,
    taken: u64,
}

impl Drop for Begin<'_> {
    fn drop(&mut self) {
        if self.asking.gathered.taken.load(Ordering::Acquire) == self.taken {
            self.asking.begin();
        }
    }
}

impl Queue {
    /// Waits until there is a group; none when nobody can ask any more. Nothing is lost when this is given up.
    pub(super) async fn next(&mut self) -> Option<Vec<Asked>> {
        let is_open = self.is_more || self.begin.recv().await.is_some();
        // Before the look, so that who asks after it gathers anew. A store alone could come after the look, and who asked between
        // the two would wait for somebody else's word.
        self.gathered.taken.fetch_add(1, Ordering::AcqRel);
        self.gathered.records.swap(0, Ordering::AcqRel);
        let group = self.take();
        (is_open || !group.is_empty()).then_some(group)
    }

    fn take(&mut self) -> Vec<Asked> {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while group.len() < GROUP && bytes < GROUP_BYTES {
            let Ok(asked) = self.asked.try_recv() else {
                self.is_more = false;
                return group;
            };
            if let Asked::Record(waiting) = &asked {
                bytes += waiting.forms.len();
            }
            group.push(asked);
        }
        self.is_more = true;
        group
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tokio::task::JoinSet;

    use super::*;
    use crate::{Actor, Event, EventKind};

    fn records(count: usize) -> Asked {
        let at = Timestamp::UNIX_EPOCH;
        let event = Event { at, actor: Actor::Server, kind: EventKind::ServerStopped, correlation: 7, failure: None };
        let forms = Forms::of(std::iter::repeat_n(&event, count)).unwrap();
        Asked::Record(Waiting { forms, answer: oneshot::channel().0 })
    }

    /// Asks as far as it goes without waiting, and gives up then; yields whether it was at its end.
    async fn ask_and_give_up(asking: &Asking, count: usize) -> bool {
        tokio::select! {
            biased;
            asked = asking.ask(records(count)) => asked.is_ok(),
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn all_who_are_ready_are_in_the_group_that_the_first_begins() {
        let (asking, mut queue) = queue();
        let mut tasks = JoinSet::new();
        for _ in 0..ENOUGH - 1 {
            let asking = asking.clone();
            tasks.spawn(async move { asking.ask(records(1)).await.is_ok() });
        }
        assert_eq!(queue.next().await.unwrap().len(), ENOUGH - 1);
        assert!(tasks.join_all().await.into_iter().all(|is_asked| is_asked));
    }

    #[tokio::test]
    async fn group_begins_though_the_first_has_given_up() {
        let (asking, mut queue) = queue();
        assert!(!ask_and_give_up(&asking, 1).await);
        assert!(ask_and_give_up(&asking, 1).await, "who is not the first does not wait for others");
        assert_eq!(queue.next().await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn enough_records_wait_for_nobody() {
        let (asking, mut queue) = queue();
        assert!(ask_and_give_up(&asking, ENOUGH).await);
        assert_eq!(queue.next().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn large_groups_are_cut_and_what_is_left_comes_next_until_nobody_can_ask() {
        let (asking, mut queue) = queue();
        for _ in 0..=GROUP {
            ask_and_give_up(&asking, 1).await;
        }
        drop(asking);
        assert_eq!(queue.next().await.unwrap().len(), GROUP);
        assert_eq!(queue.next().await.unwrap().len(), 1);
        assert!(queue.next().await.is_none());
    }
}
