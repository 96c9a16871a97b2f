//! From the trail to a sink.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use steeple_audit::{Batch, Follower, Place};
use steeple_clock::Clock;
use steeple_crypto::random;
use steeple_runtime::Backoff;
use tracing::{error, info, warn};

use crate::cursor::Cursor;
use crate::facts::Facts;
use crate::filter::Filter;
use crate::format::Format;
use crate::outlet::{Message, Outlet, Undelivered, outlet};
use crate::settings::SinkSettings;
use crate::state::State;

/// Most records that are delivered together…
const RECORDS: usize = 500;
/// …and no more of them, once they have so many bytes.
const BYTES: usize = 1 << 20;
/// How long a delivery may take.
const DELIVERY: Duration = Duration::from_secs(30);
/// Pauses after failures, from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Feeds one sink from a trail.
pub struct Feed {
    follower: Follower,
    filter: Filter,
    format: Format,
    outlet: Box<dyn Outlet>,
    cursor: Cursor,
    state: Arc<State>,
    clock: Clock,
    /// Where it begins.
    start: Place,
}

impl Feed {
    /// Goes on where this sink was, by what is kept in `folder`; a new one begins with the next record, or with the first.
    ///
    /// # Errors
    /// A text, when what was kept can't be read.
    pub fn new(settings: &SinkSettings, follower: Follower, folder: &Path, clock: Clock) -> Result<Self, String> {
        let cursor = Cursor::new(folder, &settings.name);
        let kept =
            cursor.load().map_err(|error| format!("sink {:?}: {}: {error}", settings.name, cursor.path().display()))?;
        let new = if settings.from_start { 0 } else { follower.durable() };
        // A trail that has less is another one.
        let next = kept.filter(|kept| *kept <= follower.durable()).unwrap_or(new);
        Ok(Self {
            state: Arc::new(State::new(&settings.name, follower.clone(), next)),
            filter: settings.filter.clone(),
            format: settings.format,
            outlet: outlet(&settings.outlet, settings.format),
            start: Place::before(next),
            follower,
            cursor,
            clock,
        })
    }

    /// How it is doing.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }

    /// Delivers until the trail has ended and all of it is delivered.
    pub async fn run(mut self) {
        let mut place = self.start;
        // Where to begin again after a failure: what was only written may be lost with the connection.
        let mut sure = place;
        let mut backoff = Backoff::new(PAUSES.0, 2.0, PAUSES.1);
        while self.follower.wait(place).await {
            match self.next(place).await {
                Ok((end, count)) => {
                    if self.state.delivered(count, end.next()) {
                        info!(sink = self.state.name(), "The audit sink takes records again");
                    }
                    backoff.reset();
                    sure = if self.outlet.acknowledges() { end } else { place };
                    place = end;
                    if let Err(error) = self.cursor.save(sure.next()) {
                        let path = self.cursor.path().display();
                        warn!(sink = self.state.name(), %error, %path, "How far the audit sink is can't be kept");
                    }
                }
                Err(reason) => {
                    if self.state.failed() {
                        let sink = self.state.name();
                        warn!(sink, reason, "The audit sink takes no records; they wait in the audit trail");
                    }
                    place = sure;
                    self.clock.sleep(backoff.pause(random::fraction())).await;
                }
            }
        }
    }

    /// Delivers some records from `place` on; yields where they end, and how many were sent.
    async fn next(&mut self, place: Place) -> Result<(Place, usize), String> {
        let follower = self.follower.clone();
        let read = tokio::task::spawn_blocking(move || follower.read(place, RECORDS, BYTES)).await;
        let Batch { lines, gone, end } = read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        if gone > 0 {
            self.state.lost(gone);
            let sink = self.state.name();
            error!(sink, records = gone, "Records were taken out of the audit trail before the sink had them");
        }
        let mut messages = Vec::with_capacity(lines.len());
        for line in lines {
            let facts = Facts::of(&line).map_err(|error| format!("a record can't be read: {error}"))?;
            if self.filter.admits(&facts) {
                messages.push(Message { text: self.format.render(line, &facts), facts });
            }
        }
        let first = messages.first().and_then(|first| Timestamp::from_millisecond(first.facts.time).ok());
        self.state.waits(first);
        self.offer(&messages).await?;
        Ok((end, messages.len()))
    }

    /// Delivers messages. Of those that are refused each is offered alone, so that one that the receiver can't take keeps nothing
    /// back; it is told in the log.
    async fn offer(&mut self, messages: &[Message]) -> Result<(), String> {
        let mut parts = vec![messages];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let delivered = self.clock.timeout(DELIVERY, self.outlet.deliver(part)).await;
            let delivered = delivered.unwrap_or_else(|elapsed| Err(elapsed.to_string().into()));
            match (delivered, part) {
                (Ok(thrown_away), _) => {
                    if thrown_away > 0 {
                        self.state.lost(thrown_away);
                        let sink = self.state.name();
                        error!(sink, records = thrown_away, "The receiver of the audit sink has thrown records away");
                    }
                }
                (Err(Undelivered { reason, is_refused: true }), [one]) => {
                    self.state.lost(1);
                    let (sink, record) = (self.state.name(), &one.facts.metadata.uid);
                    error!(
                        sink,
                        record, reason, "The receiver of the audit sink refuses a record; it goes on without it"
                    );
                }
                (Err(Undelivered { is_refused: true, .. }), part) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                (Err(Undelivered { reason, is_refused: false }), _) => return Err(reason),
            }
        }
        Ok(())
    }
}
