//! The process log: where it goes, in which form, from which level on.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::Mutex;
use steeple_clock::Clock;
use tracing::Subscriber;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;

use crate::Level;
use crate::logrus::Logrus;

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `time=… level=… msg=… key=value`.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What the log is told by the configuration.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// From which level on.
    pub level: Level,
    /// In which form.
    pub format: Format,
    /// Where to; the standard output if nowhere else.
    pub file: Option<PathBuf>,
    /// Whether lines tell where in the source they come from.
    pub source_location: bool,
}

/// The log can't be written where the configuration says.
#[derive(Debug, thiserror::Error)]
#[error("unable to open log file {path}: {source}")]
pub struct LogError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// The hand of a log: sets its level, opens its file anew. Clones are the same log.
#[derive(Clone)]
pub struct Log {
    launch: Level,
    current: Arc<AtomicU8>,
    filter: reload::Handle<tracing::level_filters::LevelFilter, Registry>,
    sink: Arc<Sink>,
}

impl Log {
    /// A log, and the subscriber that writes it; the binary makes it the process's default.
    ///
    /// # Errors
    /// [`LogError`] when the file can't be opened.
    pub fn new(config: &LogConfig, clock: Clock) -> Result<(Self, impl Subscriber + Send + Sync + 'static), LogError> {
        let sink = Arc::new(Sink::open(config.file.clone())?);
        let (filter, handle) = reload::Layer::new(config.level.filter());
        let form =
            Logrus { format: config.format, source_location: config.source_location, clock, sink: Arc::clone(&sink) };
        let subscriber = Registry::default().with(filter).with(filter_fn(is_ours)).with(form);
        let current = Arc::new(AtomicU8::new(index(config.level)));
        Ok((Self { launch: config.level, current, filter: handle, sink }, subscriber))
    }

    /// The level now.
    pub fn level(&self) -> Level {
        let index = usize::from(self.current.load(Ordering::Relaxed));
        Level::ALL.get(index).copied().unwrap_or(self.launch)
    }

    /// The level at the start.
    pub fn launch_level(&self) -> Level {
        self.launch
    }

    /// Sets the level.
    pub fn set_level(&self, level: Level) {
        self.current.store(index(level), Ordering::Relaxed);
        // The subscriber lives as long as the process, so it can't be gone.
        let _set = self.filter.reload(level.filter());
    }

    /// Opens the file anew, after it was moved away.
    ///
    /// # Errors
    /// [`LogError`] when it can't be opened; the log goes on in the old one then.
    pub fn reopen(&self) -> Result<(), LogError> {
        self.sink.reopen()
    }
}

/// Whether a line is of our own making; what libraries say of each frame and handshake is of no use to operators.
fn is_ours(metadata: &tracing::Metadata<'_>) -> bool {
    metadata.target().starts_with("steeple") || *metadata.level() <= tracing::Level::WARN
}

fn index(level: Level) -> u8 {
    let found = Level::ALL.iter().position(|other| *other == level);
    found.and_then(|index| u8::try_from(index).ok()).unwrap_or_default()
}

/// Where lines go.
pub(crate) struct Sink {
    path: Option<PathBuf>,
    file: Mutex<Option<File>>,
}

impl Sink {
    fn open(path: Option<PathBuf>) -> Result<Self, LogError> {
        let sink = Self { path, file: Mutex::new(None) };
        sink.reopen()?;
        Ok(sink)
    }

    fn reopen(&self) -> Result<(), LogError> {
        let Some(path) = &self.path else { return Ok(()) };
        let opened = OpenOptions::new().create(true).append(true).mode(0o640).open(path);
        *self.file.lock() = Some(opened.map_err(|source| LogError { path: path.clone(), source })?);
        Ok(())
    }

    pub(crate) fn write(&self, line: &str) {
        // A log that can't be written has nowhere to say so.
        let _written = match self.file.lock().as_mut() {
            Some(file) => file.write_all(line.as_bytes()),
            None => io::stdout().lock().write_all(line.as_bytes()),
        };
    }
}
