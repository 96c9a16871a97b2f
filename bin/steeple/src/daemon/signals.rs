//! What signals mean to a daemon.

use steeple_runtime::{Shutdown, Signal, Signals};
use steeple_telemetry::Log;
use tracing::{error, info};

/// Follows signals: the first to stop drains, the second ends the process at once.
pub(super) async fn follow(mut signals: Signals, log: Log, shutdown: Shutdown) {
    loop {
        match signals.next().await {
            Signal::Stop if shutdown.is_triggered() => std::process::exit(130),
            Signal::Stop => shutdown.trigger(),
            Signal::ReopenLog => match log.reopen() {
                Ok(()) => info!("Log file was opened anew"),
                Err(error) => error!(%error, "Log file could not be opened anew"),
            },
            // No plugin here has data of its own to read anew.
            Signal::Reconfigure => info!("No plugin is configured by a file of its own"),
        }
    }
}
