//! Rotates authorities when it is time, looked at every ten seconds.

use std::time::Duration;

use steeple_ca::Keeper;
use steeple_clock::Clock;
use steeple_runtime::Shutdown;
use tracing::error;

const INTERVAL: Duration = Duration::from_secs(10);

pub(crate) async fn rotate_authorities(mut keeper: Keeper, clock: Clock, shutdown: Shutdown) -> Result<(), String> {
    while shutdown.until(clock.sleep(INTERVAL)).await.is_some() {
        if let Err(error) = keeper.step().await {
            error!(subsystem_name = "ca_manager", %error, "Unable to rotate authorities");
        }
    }
    Ok(())
}
