//! Legal holds: as long as there is one, nothing of the trail is taken away.
//!
//! A hold is a file in the folder `holds` of the trail, so that one can be set while the server is down. It stops pruning from the
//! moment it is there; the server records it (`.set` becomes `.held` then) and, before it ends it, its release (`.release`).

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::folder::{FolderError, at};

const FOLDER: &str = "holds";
/// Set, and not recorded yet.
const SET: &str = "set";
/// Set and recorded.
const HELD: &str = "held";
/// To be released.
const RELEASE: &str = "release";
/// Longest reason, in bytes.
const MAX_REASON: usize = 1_000;
/// Most files that are looked at.
const MAX_HOLDS: usize = 1_000;

/// A hold, or the request to release one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hold {
    /// What it is called.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Which user of the system wrote it.
    pub uid: u32,
    /// Whether the server has recorded it.
    pub is_recorded: bool,
}

/// Why a hold was not set or released.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// A file can't be read or written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The name is none.
    #[error("{0:?} is not the name of a hold: up to 64 of a-z, 0-9 and -")]
    Name(String),
    /// There is no reason, or too much of it.
    #[error("a hold needs a reason of 1 to {MAX_REASON} bytes in one line")]
    Reason,
    /// There is one already.
    #[error("there is a hold {0:?} already; release it first, or choose another name")]
    There(String),
    /// There is none.
    #[error("there is no hold {0:?}")]
    Absent(String),
}

/// The holds of the trail in a folder.
#[derive(Clone, Debug)]
pub struct Holds(PathBuf);

impl Holds {
    /// Those of a trail.
    pub fn of(trail: &Path) -> Self {
        Self(trail.join(FOLDER))
    }

    /// Makes the folder, for its owner to change and others to see.
    pub(crate) fn make(&self) -> Result<(), FolderError> {
        fs::DirBuilder::new().recursive(true).mode(0o750).create(&self.0).map_err(at(&self.0))
    }

    /// Sets a hold, which counts at once.
    ///
    /// # Errors
    /// [`HoldError`].
    pub fn set(&self, name: &str, reason: &str) -> Result<(), HoldError> {
        check(name, reason)?;
        self.make()?;
        if self.path(name, HELD).exists() {
            return Err(HoldError::There(name.to_owned()));
        }
        self.write(name, SET, reason)
    }

    /// Asks for a hold to be released, which it is once that is recorded.
    ///
    /// # Errors
    /// [`HoldError`].
    pub fn release(&self, name: &str, reason: &str) -> Result<(), HoldError> {
        check(name, reason)?;
        if !self.path(name, HELD).exists() && !self.path(name, SET).exists() {
            return Err(HoldError::Absent(name.to_owned()));
        }
        self.write(name, RELEASE, reason)
    }

    /// All that there are, whether recorded or not.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn list(&self) -> Result<Vec<Hold>, FolderError> {
        let mut holds = self.read(HELD)?;
        holds.extend(self.read(SET)?);
        holds.sort();
        Ok(holds)
    }

    /// Those that are to be recorded.
    pub(crate) fn fresh(&self) -> Result<Vec<Hold>, FolderError> {
        self.read(SET)
    }

    /// A hold was recorded.
    pub(crate) fn recorded(&self, hold: &Hold) -> Result<(), FolderError> {
        let path = self.path(&hold.name, SET);
        fs::rename(&path, self.path(&hold.name, HELD)).map_err(at(&path))
    }

    /// The releases that are asked for, of holds that were recorded.
    pub(crate) fn releases(&self) -> Result<Vec<Hold>, FolderError> {
        let releases = self.read(RELEASE)?.into_iter();
        Ok(releases.filter(|release| !self.path(&release.name, SET).exists()).collect())
    }

    /// A release was recorded.
    pub(crate) fn released(&self, release: &Hold) -> Result<(), FolderError> {
        for state in [HELD, RELEASE] {
            let path = self.path(&release.name, state);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn path(&self, name: &str, state: &str) -> PathBuf {
        self.0.join(format!("{name}.{state}"))
    }

    fn write(&self, name: &str, state: &str, reason: &str) -> Result<(), HoldError> {
        let path = self.path(name, state);
        // The server may run as another user than the one who asks.
        let mut file = match OpenOptions::new().create_new(true).write(true).mode(0o644).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(HoldError::There(name.to_owned()));
            }
            opened => opened.map_err(at(&path))?,
        };
        Ok(file.write_all(reason.as_bytes()).and_then(|()| file.sync_all()).map_err(at(&path))?)
    }

    fn read(&self, state: &str) -> Result<Vec<Hold>, FolderError> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(at(&self.0))?,
        };
        let mut holds = Vec::new();
        for entry in entries {
            let path = entry.map_err(at(&self.0))?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).filter(|name| is_name(name));
            let Some(name) = name.filter(|_| path.extension().is_some_and(|extension| extension == state)) else {
                continue;
            };
            if holds.len() == MAX_HOLDS {
                return Err(at(&self.0)(io::Error::other(format!("there are more than {MAX_HOLDS} holds"))));
            }
            let mut reason = String::new();
            let file = fs::File::open(&path).map_err(at(&path))?;
            let uid = file.metadata().map_err(at(&path))?.uid();
            let most = u64::try_from(MAX_REASON).unwrap_or(u64::MAX);
            io::Read::read_to_string(&mut io::Read::take(file, most), &mut reason).map_err(at(&path))?;
            holds.push(Hold { name: name.to_owned(), reason, uid, is_recorded: state == HELD });
        }
        Ok(holds)
    }
}

fn check(name: &str, reason: &str) -> Result<(), HoldError> {
    if !is_name(name) {
        return Err(HoldError::Name(name.to_owned()));
    }
    let is_reason = !reason.trim().is_empty() && reason.len() <= MAX_REASON && !reason.contains(char::is_control);
    if is_reason { Ok(()) } else { Err(HoldError::Reason) }
}

fn is_name(name: &str) -> bool {
    let is_of_names = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(is_of_names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hold_counts_from_when_it_is_set_until_its_release_is_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let holds = Holds::of(folder.path());
        assert_eq!(holds.list().unwrap(), []);
        assert!(matches!(holds.release("case-7", "over"), Err(HoldError::Absent(_))));
        holds.set("case-7", "subpoena of 3 May").unwrap();
        assert!(matches!(holds.set("case-7", "again"), Err(HoldError::There(_))));
        let [fresh] = holds.fresh().unwrap().try_into().unwrap();
        assert_eq!(
            (fresh.name.as_str(), fresh.reason.as_str(), fresh.is_recorded),
            ("case-7", "subpoena of 3 May", false)
        );
        holds.release("case-7", "over").unwrap();
        assert_eq!(holds.releases().unwrap(), [], "the hold itself is recorded first");
        holds.recorded(&fresh).unwrap();
        assert!(matches!(holds.set("case-7", "again"), Err(HoldError::There(_))));
        let [release] = holds.releases().unwrap().try_into().unwrap();
        assert_eq!((release.reason.as_str(), holds.list().unwrap().len()), ("over", 1));
        holds.released(&release).unwrap();
        assert_eq!((holds.list().unwrap(), holds.releases().unwrap()), (Vec::new(), Vec::new()));
    }

    #[test]
    fn names_and_reasons_are_what_they_have_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let holds = Holds::of(folder.path());
        for name in ["", "../../etc", "A", "a.b", &"a".repeat(65)] {
            assert!(matches!(holds.set(name, "why"), Err(HoldError::Name(_))), "{name}");
        }
        for reason in ["", " ", "two\nlines", &"r".repeat(1_001)] {
            assert!(matches!(holds.set("a", reason), Err(HoldError::Reason)), "{reason}");
        }
    }
}
