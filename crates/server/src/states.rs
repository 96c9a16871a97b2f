//! Whether servers on one datastore agree: each tells the others, at rest, which revision its index is at and the hash of what
//! is in it.

use std::sync::Arc;
use std::time::Duration;

use steeple_store::units::TellServerState;
use steeple_store::{ServerState, StoreError};
use steeple_types::Revision;
use tracing::error;

use crate::core::Core;
use crate::entries::StateHash;

/// A server tells its state not more often than this.
const AT_MOST_EVERY: Duration = Duration::from_secs(2);
/// A server tells that it is there, whether or not its state has changed.
const AT_LEAST_EVERY: Duration = Duration::from_mins(1);
/// How often states are compared.
const COMPARE_EVERY: Duration = Duration::from_secs(5);
/// Who told nothing for so long is not compared with.
const SILENT: Duration = Duration::from_mins(3);
/// What a server told is dropped after this.
const GONE: Duration = Duration::from_hours(24);

/// What a server tells of itself, and has heard of others.
pub(crate) struct States {
    instance: String,
    name: String,
    told: Option<Told>,
    /// When states are compared next, on the monotonic clock.
    compare_at: Duration,
    has_others: bool,
    /// The states of others that differed from the own one at the last comparison.
    differed: Vec<ServerState>,
}

#[derive(Clone, Copy)]
struct Told {
    state: (Revision, StateHash),
    at: Duration,
}

impl States {
    /// Nothing was told yet. `instance` is this run's alone; operators know the server by `name`.
    pub(crate) fn new(instance: String, name: String) -> Self {
        Self { instance, name, told: None, compare_at: Duration::ZERO, has_others: false, differed: Vec::new() }
    }

    /// Tells what is to be told and compares when that is due; only at rest, when there was nothing new. Yields whether this
    /// server and another one have had different indices at the same revision for a while.
    ///
    /// # Errors
    /// [`StoreError`] when the datastore can't be read or written.
    pub(crate) async fn step(&mut self, core: &Arc<Core>) -> Result<bool, StoreError> {
        let (state, now) = (core.entries.state(), core.clock.monotonic());
        let tells = self.must_tell(state, now);
        if tells {
            let unit = TellServerState { state: self.row(core, state), gone_since: core.clock.now() - GONE };
            core.store.write(unit).await?;
            self.told = Some(Told { state, at: now });
        }
        if !tells && now < self.compare_at {
            return Ok(false);
        }
        let rows = core.store.read("server_state.list", |tx| tx.server_states()).await?;
        self.compare_at = now + COMPARE_EVERY;
        Ok(self.compare(core, state, rows))
    }

    fn must_tell(&self, state: (Revision, StateHash), now: Duration) -> bool {
        let Some(told) = self.told else { return true };
        let since = now.saturating_sub(told.at);
        since >= AT_LEAST_EVERY || (self.has_others && told.state != state && since >= AT_MOST_EVERY)
    }

    fn row(&self, core: &Core, (revision, hash): (Revision, StateHash)) -> ServerState {
        let (instance, name) = (self.instance.clone(), self.name.clone());
        ServerState { instance, name, revision, hash: hash.to_string(), told_at: core.clock.now() }
    }

    /// Whoever is at the same revision has the same records. What a SPIRE server has just written may be known to one of two
    /// before it is imported, so they differ only if they still do at the next comparison.
    fn compare(&mut self, core: &Core, (revision, hash): (Revision, StateHash), mut rows: Vec<ServerState>) -> bool {
        let heard_since = core.clock.now() - SILENT;
        rows.retain(|row| row.instance != self.instance && row.told_at >= heard_since);
        self.has_others = !rows.is_empty();
        let own = hash.to_string();
        rows.retain(|row| row.revision == revision && row.hash != own);
        let same = |one: &ServerState, other: &ServerState| {
            (&one.instance, one.revision, &one.hash) == (&other.instance, other.revision, &other.hash)
        };
        let lasting: Vec<&ServerState> =
            rows.iter().filter(|row| self.differed.iter().any(|before| same(row, before))).collect();
        for other in &lasting {
            core.metrics.count("steeple_states_differ", &[]);
            let (server, state) = (&other.name, &other.hash);
            let text = "Another server has other entries or nodes at the same revision; the datastore is read anew";
            error!(%revision, state = own, server, server_state = state, "{text}");
        }
        let is_lasting = !lasting.is_empty();
        self.differed = if is_lasting { Vec::new() } else { rows };
        is_lasting
    }
}
