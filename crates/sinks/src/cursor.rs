//! How far a sink has come, over restarts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tracing::warn;

/// A file with the sequence number of the record that comes next.
#[derive(Debug)]
pub(crate) struct Cursor(PathBuf);

impl Cursor {
    pub(crate) fn new(folder: &Path, sink: &str) -> Self {
        Self(folder.join(sink))
    }

    /// What was kept; none for a sink that is new. A power cut can leave a file without its number, which keeps no server from its
    /// start: the sink gets all that the trail has, since records twice are better than none.
    pub(crate) fn load(&self) -> io::Result<Option<u64>> {
        match fs::read(&self.0) {
            Ok(bytes) => {
                let next = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
                if next.is_none() {
                    let path = self.0.display();
                    warn!(%path, "How far the audit sink was can't be read; it gets the whole audit trail again");
                }
                Ok(Some(next.unwrap_or_default()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps it. It isn't synced: after a power cut some records go out again.
    pub(crate) fn save(&self, next: u64) -> io::Result<()> {
        let beside = self.0.with_extension("tmp");
        fs::create_dir_all(self.0.parent().unwrap_or(Path::new(".")))?;
        fs::write(&beside, format!("{next}\n"))?;
        fs::rename(&beside, &self.0)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cursor = Cursor::new(&folder.path().join("sinks"), "siem");
        assert_eq!(cursor.load().unwrap(), None);
        cursor.save(17).unwrap();
        assert_eq!(cursor.load().unwrap(), Some(17));
        for torn in [&b""[..], b"x", b"\xff\0"] {
            fs::write(cursor.path(), torn).unwrap();
            assert_eq!(cursor.load().unwrap(), Some(0), "from the first record, and the server starts");
        }
    }
}
