//! Where events wait for the writer, and what waits together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::AuditError;
use crate::form::Forms;

/// Most callers that wait for the writer; further ones wait for their turn.
const QUEUE: usize = 4_096;

/// Callers whose events become durable at once: no more of them,
const GROUP: usize = 1_024;

/// and none after so many bytes.
const GROUP_BYTES: usize = 4 << 20;

/// What the writer is asked.
#[derive(Debug)]
pub(super) enum Asked {
    /// To record.
    Record(Waiting),
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

/// The callers' side.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    asked: mpsc::Sender<Asked>,
    /// Whether somebody gathers others, and tells the writer then.
    is_gathering: Arc<AtomicBool>,
    begin: mpsc::Sender<()>,
}

/// The writer's side.
#[derive(Debug)]
pub(super) struct Queue {
    asked: mpsc::Receiver<Asked>,
    is_gathering: Arc<AtomicBool>,
    begin: mpsc::Receiver<()>,
    /// Whether the last group was as large as one may be, so that there may be more.
    is_more: bool,
}

/// A queue.
pub(super) fn queue() -> (Asking, Queue) {
    let is_gathering = Arc::new(AtomicBool::new(false));
    let (asks, asked) = mpsc::channel(QUEUE);
    let (begins, begin) = mpsc::channel(1);
    let asking = Asking { asked: asks, is_gathering: is_gathering.clone(), begin: begins };
    (asking, Queue { asked, is_gathering, begin, is_more: false })
}

impl Asking {
    /// Asks the writer.
    ///
    /// The first who asks after the writer took what there was lets everybody else have a turn who is ready to run, and only then has
    /// the writer begin: a sync costs as much for one record as for a hundred. It takes no time where nobody else is ready.
    pub(super) async fn ask(&self, asked: Asked) -> Result<(), Ended> {
        self.asked.send(asked).await.map_err(|_| Ended)?;
        if !self.is_gathering.swap(true, Ordering::AcqRel) {
            let _begin = Begin(&self.begin);
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Has the writer begin, also when the caller has given up.
struct Begin<'a>(&'a mpsc::Sender<()>);

impl Drop for Begin<'_> {
    fn drop(&mut self) {
        // It has been told if there is no room, and has ended if nobody listens.
        let _ = self.0.try_send(());
    }
}

impl Queue {
    /// Waits until there is a group; none when nobody can ask any more. Nothing is lost when this is given up.
    pub(super) async fn next(&mut self) -> Option<Vec<Asked>> {
        let is_open = self.is_more || self.begin.recv().await.is_some();
        // Before the look: who asks after it gathers anew. It is a swap because a store alone could come after the look.
        self.is_gathering.swap(false, Ordering::AcqRel);
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
