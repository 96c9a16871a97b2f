//! The audit trail of a server's life.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use steeple_audit::{Actor, Audit, EventKind, Keeper, LogRecorder};
use steeple_clock::Clock;
use steeple_server::config::ServerConfig;
use steeple_sinks::{Feed, State};
use tokio::task::JoinSet;
use tracing::warn;

use super::server::make_data_dir;
use crate::commands::SPIRE_VERSION;

/// Where a server's events are recorded, from its start to its end.
pub(super) struct Trail {
    audit: Audit,
    written: Option<Written>,
}

/// A trail in files, and the thread that writes it.
struct Written {
    trail: steeple_audit::Trail,
    thread: JoinHandle<()>,
    sinks: Vec<Arc<State>>,
    feeds: JoinSet<()>,
    /// The one that looks after files that are full.
    keeper: Option<JoinHandle<()>>,
}

/// How long sinks have at the end for what they have not delivered; the rest is delivered after the next start.
const DRAIN: Duration = Duration::from_secs(5);

impl Trail {
    /// Opens the trail that the configuration names, with the start as its first record; without one, events go to the log.
    pub(super) async fn begin(config: &ServerConfig, clock: &Clock) -> anyhow::Result<Self> {
        let (audit, written) = match &config.audit {
            None => (Audit::new(Arc::new(LogRecorder)), None),
            Some(settings) => {
                make_data_dir(config)?;
                let (trail, writer) =
                    steeple_audit::Trail::open(settings.clone(), clock.clone()).context("audit trail")?;
                let (sinks, feeds) = feed(config, &trail, clock)?;
                let runtime = tokio::runtime::Handle::current();
                let thread = std::thread::Builder::new().name("audit".to_owned());
                let thread = thread.spawn(move || writer.run(&runtime)).context("the audit trail's thread")?;
                let keeper = keep(config, &trail, clock)?;
                let written = Written { trail: trail.clone(), thread, sinks, feeds, keeper };
                (Audit::new(Arc::new(trail)), Some(written))
            }
        };
        let started = EventKind::ServerStarted { version: SPIRE_VERSION, configuration_digest: config.digest.clone() };
        audit.record(clock.now(), Actor::Server, started).await?;
        Ok(Self { audit, written })
    }

    /// What operations record by.
    pub(super) fn audit(&self) -> Audit {
        self.audit.clone()
    }

    /// Where records go besides.
    pub(super) fn sinks(&self) -> Vec<Arc<State>> {
        self.written.as_ref().map(|written| written.sinks.clone()).unwrap_or_default()
    }

    /// Records the end, and waits until all is written.
    pub(super) async fn end(self, clock: &Clock) {
        if let Err(error) = self.audit.record(clock.now(), Actor::Server, EventKind::ServerStopped).await {
            warn!(%error, "The end is not in the audit trail");
        }
        if let Some(Written { trail, thread, sinks, mut feeds, keeper }) = self.written {
            trail.end().await;
            // A thread that panicked has told so.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
            if let Some(keeper) = keeper {
                let _ = tokio::task::spawn_blocking(move || keeper.join()).await;
            }
            let drained = clock.timeout(DRAIN, async { while feeds.join_next().await.is_some() {} }).await;
            for sink in sinks.iter().filter(|_| drained.is_err()) {
                let records = sink.report(clock.now()).waiting;
                if records > 0 {
                    warn!(sink = sink.name(), records, "The audit sink gets its last records after the next start");
                }
            }
        }
    }
}

/// Starts a feed for each sink.
fn feed(
    config: &ServerConfig,
    trail: &steeple_audit::Trail,
    clock: &Clock,
) -> anyhow::Result<(Vec<Arc<State>>, JoinSet<()>)> {
    let folder = config.data_dir.join("audit_sinks");
    let (mut states, mut feeds) = (Vec::new(), JoinSet::new());
    for settings in &config.audit_sinks {
        let feed = Feed::new(settings, trail.follower(), &folder, clock.clone());
        let feed = feed.map_err(anyhow::Error::msg).context("audit trail")?;
        states.push(feed.state());
        feeds.spawn(feed.run());
    }
    Ok((states, feeds))
}

/// Starts the thread that looks after files that are full.
fn keep(config: &ServerConfig, trail: &steeple_audit::Trail, clock: &Clock) -> anyhow::Result<Option<JoinHandle<()>>> {
    let Some(settings) = config.audit_keep.clone() else { return Ok(None) };
    let keeper = Keeper::new(settings, trail.clone(), clock.clone()).context("audit trail")?;
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::Builder::new().name("audit-keep".to_owned());
    let thread = thread.spawn(move || runtime.block_on(keeper.run())).context("the thread that keeps the trail")?;
    Ok(Some(thread))
}
