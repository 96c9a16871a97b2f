//! The trail of a server that has stopped, and copies of it that are tampered with.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use steeple_tests_system::pair::Pair;

use crate::trail::{audited, block, create, entry_id, folder, lines, refused, stop};
use crate::verifiers::Question;

/// Name of the file with all records.
pub(crate) const SEGMENT: &str = "00000000000000000000.jsonl";

/// A server that kept a trail and has stopped.
pub(crate) struct Stopped {
    pub(crate) pair: Pair,
    /// Its trail, which nobody touches.
    pub(crate) folder: PathBuf,
    /// The trail's key, kept elsewhere.
    pub(crate) key: PathBuf,
}

impl Stopped {
    /// A server that created some entries.
    pub(crate) fn new() -> Result<Self> {
        let pair = audited()?;
        let mut server = pair.start_server()?;
        for number in 0..6 {
            entry_id(&create(&pair, &format!("e{number}"))?)?;
        }
        stop(&mut server)?;
        let (folder, key) = (folder(&pair), pair.path("kept.pub"));
        fs::copy(folder.join("key.pub"), &key)?;
        let stopped = Self { pair, folder, key };
        stopped.question(&stopped.folder).passes()?;
        Ok(stopped)
    }

    /// Whether a trail is in order, by the key that was kept.
    pub(crate) fn question<'a>(&'a self, folder: &'a Path) -> Question<'a> {
        Question { key: Some(&self.key), ..Question::of(folder) }
    }

    /// A copy of the trail, which is in order too.
    pub(crate) fn copy(&self, name: &str) -> Result<PathBuf> {
        let copy = self.pair.path(name);
        fs::create_dir(&copy)?;
        for file in fs::read_dir(&self.folder)? {
            let file = file?;
            if file.file_type()?.is_dir() {
                // Holds are no part of what is verified.
                continue;
            }
            fs::copy(file.path(), copy.join(file.file_name()))?;
        }
        self.question(&copy).passes()?;
        Ok(copy)
    }

    /// A copy whose records are changed.
    pub(crate) fn changed(&self, name: &str, change: impl FnOnce(&mut Vec<String>) -> Result<()>) -> Result<PathBuf> {
        let copy = self.copy(name)?;
        let before = lines(&copy)?;
        let mut after = before.clone();
        change(&mut after)?;
        ensure!(before != after, "{name}: nothing is changed");
        fs::write(copy.join(SEGMENT), after.join("\n") + "\n")?;
        Ok(copy)
    }

    /// The server does not go on with a trail, says why and what to do, and leaves it as it is.
    pub(crate) fn refuses(&mut self, folder: &Path, reason: &str) -> Result<()> {
        let before = contents(folder)?;
        self.pair.server_blocks = block(folder);
        let last = refused(&self.pair)?;
        let path = folder.display().to_string();
        let way_out = "have it verified (steeple audit verify), keep it as it is, and begin another folder";
        for text in [path.as_str(), reason, way_out] {
            ensure!(last.contains(text), "no {text:?} in {last:?}");
        }
        ensure!(contents(folder)? == before, "{path} was changed");
        Ok(())
    }

    /// The server goes on with the trail that nobody touched.
    pub(crate) fn goes_on(&mut self) -> Result<()> {
        self.pair.server_blocks = block(&self.folder);
        stop(&mut self.pair.start_server()?)?;
        self.question(&self.folder).passes()?;
        Ok(())
    }
}

fn contents(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut contents = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        contents.push((path.clone(), fs::read(path)?));
    }
    contents.sort();
    Ok(contents)
}
