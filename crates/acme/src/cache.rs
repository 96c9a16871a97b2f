//! Where certificates are kept from one start to the next, in the files of autocert's `DirCache`.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use zeroize::Zeroizing;

/// Largest file read, in bytes.
const MAX_LENGTH: u64 = 1 << 20;

/// Texts of PEM by name: a domain, or the account key.
pub enum Cache {
    /// Files of this folder, which is made when the first one is written; both are their owner's only.
    Folder(PathBuf),
    /// Gone with the process.
    Memory(Mutex<BTreeMap<String, Zeroizing<String>>>),
}

impl Cache {
    /// What is kept in the memory of this process only.
    pub fn memory() -> Self {
        Self::Memory(Mutex::default())
    }

    /// What is kept under `name`.
    ///
    /// # Errors
    /// When the file can't be read, or is larger than 1 MiB.
    pub fn read(&self, name: &str) -> io::Result<Option<Zeroizing<String>>> {
        match self {
            Self::Memory(texts) => Ok(texts.lock().get(name).cloned()),
            Self::Folder(folder) => match File::open(folder.join(name)) {
                Ok(file) => read(file).map(Some),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// Keeps `text` under `name`, as a whole or not at all.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&self, name: &str, text: &Zeroizing<String>) -> io::Result<()> {
        match self {
            Self::Memory(texts) => drop(texts.lock().insert(name.to_owned(), text.clone())),
            Self::Folder(folder) => write(folder, name, text)?,
        }
        Ok(())
    }
}

fn read(file: File) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_LENGTH + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_LENGTH {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than 1 MiB"));
    }
    Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}

fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let beside = folder.join(format!("{name}.tmp"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, folder.join(name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_was_written_is_read_and_is_its_owners_only() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        for cache in [Cache::Folder(folder.clone()), Cache::memory()] {
            assert_eq!(cache.read("a.test").unwrap(), None);
            cache.write("a.test", &Zeroizing::new("one".to_owned())).unwrap();
            assert_eq!(cache.read("a.test").unwrap().unwrap().as_str(), "one");
        }
        let (file, held) = (folder.join("a.test"), parent.path().join("held"));
        std::fs::hard_link(&file, &held).unwrap();
        Cache::Folder(folder.clone()).write("a.test", &Zeroizing::new("two".to_owned())).unwrap();
        let texts = [&file, &held].map(|path| std::fs::read_to_string(path).unwrap());
        assert_eq!(texts, ["two", "one"], "the file is replaced as a whole");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("a.test"))), (0o700, 0o600));
        std::fs::write(folder.join("a.test"), vec![b'x'; 1 << 21]).unwrap();
        assert_eq!(Cache::Folder(folder).read("a.test").unwrap_err().to_string(), "larger than 1 MiB");
    }
}
