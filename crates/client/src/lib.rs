//! Clients of the APIs: how a channel is opened, and how an error of a call reads.
//!
//! The texts are those of Go's gRPC library, since scripts that drive SPIRE's commands read them.

mod bundle_url;
mod dial;
mod https;
mod https_get;
mod https_send;
mod proxy;
mod server;
mod status;
mod unix;
mod workload;

pub use bundle_url::{FetchError, https_get, unix_get};
pub use dial::DialError;
pub use https::HttpsTrust;
pub use https_get::{GetError, get_over_https};
pub use https_send::{SendError, send_over_https};
pub use server::connect_server;
pub use status::{code_name, code_of, describe, describe_with_causes, with_causes};
pub use steeple_config::os_text;
pub use unix::{connect_unix, connect_unix_as};
pub use workload::{WorkloadEndpoint, workload_request};
