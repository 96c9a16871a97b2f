//! Log levels, in the words of SPIRE's logger.

use steeple_proto::spire::api::types::{LogLevel, Logger};

use super::failure::Failure;
use super::quote::quote;

/// A level's name.
fn name(level: i32) -> Option<&'static str> {
    match LogLevel::try_from(level).ok()? {
        LogLevel::Panic => Some("panic"),
        LogLevel::Fatal => Some("fatal"),
        LogLevel::Error => Some("error"),
        LogLevel::Warn => Some("warning"),
        LogLevel::Info => Some("info"),
        LogLevel::Debug => Some("debug"),
        LogLevel::Trace => Some("trace"),
        LogLevel::Unspecified => None,
    }
}

/// Reads `-level`.
pub(crate) fn level(text: &str) -> Result<LogLevel, Failure> {
    match text.to_lowercase().as_str() {
        "" => Err("a value (-level) must be set".into()),
        "panic" => Ok(LogLevel::Panic),
        "fatal" => Ok(LogLevel::Fatal),
        "error" => Ok(LogLevel::Error),
        "warn" | "warning" => Ok(LogLevel::Warn),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        "trace" => Ok(LogLevel::Trace),
        _ => Err(format!("the value {} is not a valid setting", quote(text)).into()),
    }
}

/// The logger's state for people.
pub(crate) fn text(logger: Logger) -> Result<String, Failure> {
    let name = |level, which: &str| {
        name(level).ok_or_else(|| {
            Failure(format!("internal error: returned {which} log level is undefined; please report this as a bug"))
        })
    };
    let current = name(logger.current_level, "current")?;
    let launch = name(logger.launch_level, "launch")?;
    Ok(format!("Logger Level : {current}\nLaunch Level : {launch}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_read_as_spire_says_them() {
        let logger = Logger { current_level: level("Warn").unwrap().into(), launch_level: LogLevel::Debug.into() };
        assert_eq!(text(logger).unwrap(), "Logger Level : warning\nLaunch Level : debug\n\n");
        assert_eq!(level("nope"), Err("the value \"nope\" is not a valid setting".into()));
        assert_eq!(level(""), Err("a value (-level) must be set".into()));
        assert!(text(Logger::default()).is_err());
    }
}
