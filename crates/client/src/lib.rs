//! Clients of the APIs: how a channel is opened, and how an error of a call reads.
//!
//! The texts are those of Go's gRPC library, since scripts that drive SPIRE's commands read them.

mod bundle_url;
mod dial;
mod status;
mod unix;
mod workload;

pub use bundle_url::{FetchError, https_get, unix_get};
pub use dial::DialError;
pub use status::{code_name, code_of, describe, os_text};
pub use unix::{connect_unix, connect_unix_as};
pub use workload::workload_request;
