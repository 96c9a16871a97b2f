//! Levels of the log, by logrus's names.

use tracing::level_filters::LevelFilter;

/// A level of logrus. Tracing knows five of them; `panic` and `fatal` let nothing through but what is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Panic,
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    /// All levels, the most severe first.
    pub const ALL: [Self; 7] =
        [Self::Panic, Self::Fatal, Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The name in configuration files and in `launch_log_level` fields.
    pub fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warn => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// Reads a name as logrus does: in any case, `warn` too.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let name = if name == "warn" { "warning" } else { &name };
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    pub(crate) fn filter(self) -> LevelFilter {
        match self {
            Self::Panic | Self::Fatal | Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}
