//! Process life: supervised tasks, shutdown in two stages, backoff, signals, readiness for service managers.

mod backoff;
mod notify;
mod shutdown;
mod signals;
mod supervisor;
mod umask;

pub use backoff::Backoff;
pub use notify::notify_service_manager;
pub use shutdown::Shutdown;
pub use signals::{Signal, Signals};
pub use supervisor::{Failure, OnExit, Supervisor};
pub use umask::tighten_umask;
