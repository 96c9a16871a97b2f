//! Sinks: where records of the audit trail go besides its files.
//!
//! A sink follows the trail's files from where it was, at its own pace. Its queue is the trail itself: what a sink has not taken yet
//! costs no memory, waits over restarts, and nobody who issues or changes something waits for it. Each record is delivered at
//! least once, in order; `metadata.uid` tells what came twice.

mod cursor;
mod facts;
mod feed;
mod filter;
mod format;
mod outlet;
mod settings;
mod state;
mod tls;

pub use feed::Feed;
pub use filter::Filter;
pub use format::Format;
pub use settings::{OutletSettings, SinkSettings, SyslogSettings, TlsSettings, UrlSettings};
pub use state::{Report, State};
