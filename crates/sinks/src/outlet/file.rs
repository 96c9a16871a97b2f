//! The end of a file.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{Message, Outlet, Undelivered, lines};

pub(super) struct Lines {
    pub(super) path: PathBuf,
}

#[async_trait]
impl Outlet for Lines {
    async fn deliver(&mut self, messages: &[Message]) -> Result<u64, Undelivered> {
        let (path, lines) = (self.path.clone(), lines(messages));
        let told = format!("{}: ", path.display());
        let written = tokio::task::spawn_blocking(move || append(&path, &lines)).await;
        let written = written.map_err(io::Error::other).flatten();
        written.map(|()| 0).map_err(|error| format!("{told}{error}").into())
    }
}

/// Adds lines, all of them or none.
fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).mode(0o640).open(path)?;
    let length = file.metadata()?.len();
    let written = file.write_all(lines).and_then(|()| file.sync_data());
    if written.is_err() {
        let _ = file.set_len(length);
    }
    written
}
