//! How far a sink has come, over restarts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file with the sequence number of the record that comes next.
#[derive(Debug)]
pub(crate) struct Cursor(PathBuf);

impl Cursor {
    pub(crate) fn new(folder: &Path, sink: &str) -> Self {
        Self(folder.join(sink))
    }

    /// What was kept; none for a sink that is new.
    pub(crate) fn load(&self) -> io::Result<Option<u64>> {
        match fs::read_to_string(&self.0) {
            Ok(text) => text.trim().parse().map(Some).map_err(io::Error::other),
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
        fs::write(cursor.path(), "x").unwrap();
        assert!(cursor.load().is_err());
    }
}
