//! Rotates authorities when it is time, looked at every ten seconds.

use std::time::Duration;

use steeple_ca::Keeper;
use steeple_clock::Clock;
use steeple_runtime::Shutdown;
use tokio::sync::watch;
use tracing::error;

const INTERVAL: Duration = Duration::from_secs(10);

/// Failures in a row after which the rotation counts as ill.
pub(crate) const MAX_FAILURES: u32 = 10;

/// `failures` tells how many times in a row it has failed.
pub(crate) async fn rotate_authorities(
    mut keeper: Keeper,
    failures: watch::Sender<u32>,
    clock: Clock,
    shutdown: Shutdown,
) -> Result<(), String> {
    while shutdown.until(clock.sleep(INTERVAL)).await.is_some() {
        match keeper.step().await {
            Ok(()) => drop(failures.send_replace(0)),
            Err(error) => {
                error!(subsystem_name = "ca_manager", %error, "Unable to rotate authorities");
                failures.send_modify(|failures| *failures = failures.saturating_add(1));
            }
        }
    }
    Ok(())
}
