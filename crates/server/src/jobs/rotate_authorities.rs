//! Owns the authorities: rotates them when it is time, looked at every ten seconds, when somebody asks for it, and when one
//! above them was tainted; follows the bundle of the upstream authority.

use std::time::Duration;

use jiff::Timestamp;
use steeple_ca::Keeper;
use steeple_clock::Clock;
use steeple_runtime::Shutdown;
use steeple_types::Bundle;
use tokio::sync::{mpsc, watch};
use tracing::error;

use crate::authorities::Asked;

const INTERVAL: Duration = Duration::from_secs(10);

/// Failures in a row after which the rotation counts as ill.
pub(crate) const MAX_FAILURES: u32 = 10;

/// What the job works with.
pub(crate) struct RotateAuthorities {
    pub(crate) keeper: Keeper,
    /// What others ask of the keeper.
    pub(crate) inbox: mpsc::Receiver<Asked>,
    /// The own bundle.
    pub(crate) own: watch::Receiver<Option<Bundle>>,
    /// The bundle as the upstream authority has it.
    pub(crate) upstream: watch::Receiver<Option<Bundle>>,
    /// Tells how many times in a row rotation has failed.
    pub(crate) failures: watch::Sender<u32>,
    pub(crate) clock: Clock,
    /// Whether taking over the upstream authority's bundle has failed, and is to be tried again.
    pub(crate) is_behind: bool,
}

/// What there is to do.
enum Turn {
    Time,
    Asked(Asked),
    BundleChanged,
    UpstreamChanged,
}

pub(crate) async fn rotate_authorities(mut job: RotateAuthorities, shutdown: Shutdown) -> Result<(), String> {
    // A taint from before the start counts too.
    job.own.mark_changed();
    let mut next = job.clock.now() + INTERVAL;
    while let Some(turn) = shutdown.until(job.turn(next)).await {
        match turn {
            Turn::Time => {
                job.look().await;
                next = job.clock.now() + INTERVAL;
            }
            Turn::Asked(asked) => asked.carry_out(&mut job.keeper).await,
            Turn::BundleChanged => {
                // What fails is due again when the time comes.
                let _told = job.follow().await;
            }
            Turn::UpstreamChanged => {
                let _told = job.follow_upstream().await;
            }
        }
    }
    Ok(())
}

impl RotateAuthorities {
    /// Waits for what there is to do.
    async fn turn(&mut self, next: Timestamp) -> Turn {
        tokio::select! {
            biased;
            Some(asked) = self.inbox.recv() => Turn::Asked(asked),
            Ok(()) = self.own.changed() => Turn::BundleChanged,
            Ok(()) = self.upstream.changed() => Turn::UpstreamChanged,
            () = self.clock.sleep_until(next) => Turn::Time,
        }
    }

    /// Does what is due, and counts whether it worked.
    async fn look(&mut self) {
        let followed = self.follow().await;
        let followed = (!self.is_behind || self.follow_upstream().await) && followed;
        let worked = self.keeper.step().await.is_ok() && followed;
        self.failures.send_modify(|failures| *failures = if worked { 0 } else { failures.saturating_add(1) });
    }

    /// Acts on taints of the bundle; tells whether that worked.
    async fn follow(&mut self) -> bool {
        let Some(bundle) = self.own.borrow_and_update().clone() else { return true };
        let followed = self.keeper.bundle_changed(&bundle).await;
        if let Err(error) = &followed {
            error!(%error, subsystem_name = "ca_manager", "Failed to force intermediate bundle rotation");
        }
        followed.is_ok()
    }

    /// Takes over the bundle of the upstream authority; tells whether that worked.
    async fn follow_upstream(&mut self) -> bool {
        let Some(bundle) = self.upstream.borrow_and_update().clone() else { return true };
        let followed = self.keeper.upstream_changed(bundle).await;
        if let Err(error) = &followed {
            error!(%error, subsystem_name = "ca_manager", "Failed to take over the bundle of the upstream authority");
        }
        self.is_behind = followed.is_err();
        followed.is_ok()
    }
}
