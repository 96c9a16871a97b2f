//! Logs in the form of logrus, metrics under the names of SPIRE.
//!
//! A log line is a tracing event: its message is SPIRE's text, its fields are SPIRE's fields under the same names. Fields of
//! the spans around it are added, so that each line of a call tells of its caller.

mod filter;
mod level;
mod log;
mod logrus;
mod metrics;
pub mod native;
mod rpc;

pub use self::filter::MetricFilter;
pub use self::level::Level;
pub use self::log::{Format, Log, LogConfig, LogError};
pub use self::metrics::{Metrics, label};
pub use self::rpc::rpc_key;
