//! Reader of HCL 1 and JSON configuration as SPIRE accepts it, Go durations, weak typing.
//!
//! [`parse`] yields the [`Object`] that the text says; [`Block`] reads it as Go's decoder does: keys in any case, repeated
//! blocks merged, of repeated settings the last, numbers and quoted numbers alike. On them stands what the files of both
//! daemons have in common: [`load`], [`Section`], plugins, health and metrics.

mod block;
mod connection_string;
mod duration;
mod error;
mod expand;
mod file;
mod json;
mod lexer;
mod listeners;
mod not_yet;
mod os_text;
mod parser;
mod plugins;
mod print;
mod section;
mod tree;
mod unknown;
mod url;

pub use block::{Block, DecodeError};
pub use connection_string::{MySqlDsn, parse_mysql_dsn, parse_postgres};
pub use duration::{format_duration, parse_duration};
pub use error::{ConfigError, invalid};
pub use expand::expand_env;
pub use file::{LookUp, load};
pub use listeners::{
    HealthSettings, MetricSettings, PrometheusSettings, TELEMETRY_NOT_YET, read_health, read_prometheus,
};
pub use not_yet::{NotYet, NotYetError, WINDOWS, refuse_not_yet};
pub use os_text::os_text;
pub use plugins::{PLUGIN_KEYS, PluginBlock, PluginsError, read_plugins};
pub use print::print;
pub use section::{EXPERIMENTAL, Flags, LogSettings, Section};
pub use tree::{Item, Key, Object, Value};
pub use unknown::{Known, refuse_unknown};
pub use url::{Url, UrlError};

/// Largest text read, in bytes.
const MAX_LENGTH: usize = 4 << 20;

/// Why a text is not a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("At {line}:{column}: {message}")]
pub struct ParseError {
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// Reads a configuration: JSON when it begins with a brace, else HCL 1.
///
/// # Errors
/// [`ParseError`] of the first thing that is not in order.
pub fn parse(text: &str) -> Result<Object, ParseError> {
    if text.len() > MAX_LENGTH {
        return Err(ParseError { line: 1, column: 1, message: "configuration is larger than 4 MiB".to_owned() });
    }
    if text.trim_start().starts_with('{') {
        return json::parse(text);
    }
    parser::parse(&text.replace("\r\n", "\n"))
}
