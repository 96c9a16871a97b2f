//! The files of a trail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

/// The checkpoints, oldest first.
const CHECKPOINTS: &str = "checkpoints";
/// The public half of the key that signs them.
const KEY: &str = "key.pub";
/// Held by the one that writes.
const LOCK: &str = "lock";
/// How the names of segments end.
const SUFFIX: &str = ".jsonl";
/// And of those that are compressed.
const COMPRESSED: &str = ".gz";
/// Mode of a segment that nobody writes any more.
const SEALED: u32 = 0o440;

/// A folder with a trail.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// A file of a trail could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct FolderError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// A segment's file and the sequence number of its first record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentFile {
    /// Sequence number of the first record.
    pub first: u64,
    /// The file.
    pub path: PathBuf,
}

impl SegmentFile {
    /// Whether it is compressed.
    pub fn is_compressed(&self) -> bool {
        self.path.as_os_str().as_encoded_bytes().ends_with(COMPRESSED.as_bytes())
    }

    /// Whether it can't be written any more.
    pub(crate) fn is_sealed(&self) -> Result<bool, FolderError> {
        Ok(fs::metadata(&self.path).map_err(at(&self.path))?.permissions().mode() & 0o222 == 0)
    }

    /// Reads it from its start.
    ///
    /// # Errors
    /// [`FolderError`] when it can't be opened.
    pub(crate) fn open(&self) -> Result<Box<dyn BufRead + Send>, FolderError> {
        let file = BufReader::with_capacity(1 << 16, File::open(&self.path).map_err(at(&self.path))?);
        Ok(if self.is_compressed() {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        })
    }

    /// The file in which it is when it is compressed.
    fn compressed(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(COMPRESSED);
        path.into()
    }
}

impl Folder {
    /// The trail in a folder, which may not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder for its owner alone, unless it is there.
    pub(crate) fn make(&self) -> Result<(), FolderError> {
        fs::DirBuilder::new().recursive(true).mode(0o750).create(&self.0).map_err(at(&self.0))
    }

    /// Keeps others from writing as long as the returned file is open.
    pub(crate) fn lock(&self) -> Result<File, FolderError> {
        let path = self.0.join(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(at(&path))?;
        let held = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        held.map_err(|_| {
            at(&path)(io::Error::other("another server writes this trail; give each a folder of its own"))
        })?;
        Ok(file)
    }

    /// The segments, in order. Where one is there both plain and compressed, since compression was broken off, it is the plain one.
    ///
    /// # Errors
    /// [`FolderError`] when the folder can't be listed.
    pub fn segments(&self) -> Result<Vec<SegmentFile>, FolderError> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(at(&self.0))? {
            let entry = entry.map_err(at(&self.0))?;
            let name = entry.file_name();
            let name = name.to_str().map(|name| name.strip_suffix(COMPRESSED).unwrap_or(name));
            let Some(number) = name.and_then(|name| name.strip_suffix(SUFFIX)) else { continue };
            let first = number.parse().ok().filter(|first: &u64| format!("{first:020}") == number);
            let stranger = || io::Error::other("is named like a segment, but not after the number of its first record");
            segments
                .push(SegmentFile { first: first.ok_or_else(|| at(&entry.path())(stranger()))?, path: entry.path() });
        }
        segments.sort();
        segments.dedup_by_key(|segment| segment.first);
        Ok(segments)
    }

    /// A new file for the records from `first` on.
    pub(crate) fn begin_segment(&self, first: u64) -> Result<(File, SegmentFile), FolderError> {
        let path = self.0.join(format!("{first:020}{SUFFIX}"));
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o640).open(&path);
        let file = file.map_err(at(&path))?;
        // One without records is of a try before, whose folder could not be synced.
        if file.metadata().map_err(at(&path))?.len() > 0 {
            return Err(at(&path)(io::Error::other("is there, though nothing was written into it yet")));
        }
        self.sync()?;
        Ok((file, SegmentFile { first, path }))
    }

    /// Opens a segment to write on.
    pub(crate) fn resume_segment(segment: &SegmentFile) -> Result<File, FolderError> {
        OpenOptions::new().write(true).open(&segment.path).map_err(at(&segment.path))
    }

    /// Nobody writes a segment any more.
    pub(crate) fn seal(segment: &SegmentFile) -> Result<(), FolderError> {
        fs::set_permissions(&segment.path, fs::Permissions::from_mode(SEALED)).map_err(at(&segment.path))
    }

    /// The checkpoints as they are on disk; empty when there are none.
    ///
    /// # Errors
    /// [`FolderError`] when the file can't be read.
    pub fn checkpoints(&self) -> Result<String, FolderError> {
        let path = self.0.join(CHECKPOINTS);
        match fs::read(&path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(at(&path)(error)),
        }
    }

    /// Adds a checkpoint, or leaves the file as it was.
    pub(crate) fn add_checkpoint(&self, note: &str) -> Result<(), FolderError> {
        let path = self.0.join(CHECKPOINTS);
        let mut file = OpenOptions::new().create(true).append(true).mode(0o640).open(&path).map_err(at(&path))?;
        let length = file.metadata().map_err(at(&path))?.len();
        let written = file.write_all(format!("{note}\n").as_bytes()).and_then(|()| file.sync_data());
        if written.is_err() {
            let _ = file.set_len(length);
        }
        written.map_err(at(&path))
    }

    /// Keeps the first `length` bytes of the checkpoints.
    pub(crate) fn cut_checkpoints(&self, length: usize) -> Result<(), FolderError> {
        let path = self.0.join(CHECKPOINTS);
        let file = OpenOptions::new().write(true).open(&path).map_err(at(&path))?;
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        file.set_len(length).and_then(|()| file.sync_all()).map_err(at(&path))
    }

    /// The public half of the key, as text; none when there is no file.
    ///
    /// # Errors
    /// [`FolderError`] when the file can't be read.
    pub fn key(&self) -> Result<Option<String>, FolderError> {
        let path = self.0.join(KEY);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path)(error)),
        }
    }

    pub(crate) fn write_key(&self, text: &str) -> Result<(), FolderError> {
        replace(&self.0.join(KEY), format!("{text}\n").as_bytes(), 0o640)
    }

    /// Takes segments away for good, in order.
    pub(crate) fn remove(&self, segments: &[SegmentFile]) -> Result<(), FolderError> {
        for segment in segments {
            fs::remove_file(&segment.path).map_err(at(&segment.path))?;
            // Of a compression that was broken off.
            let beside = segment.compressed();
            if !segment.is_compressed() && beside.exists() {
                fs::remove_file(&beside).map_err(at(&beside))?;
            }
            self.sync()?;
        }
        Ok(())
    }

    /// Compresses a segment that nobody writes any more; it is there as a whole all the time.
    pub(crate) fn compress(&self, segment: &SegmentFile) -> Result<(), FolderError> {
        let (target, beside) = (segment.compressed(), self.0.join("compressing.tmp"));
        let write = || {
            let mut plain = File::open(&segment.path)?;
            let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o640).open(&beside)?;
            let mut encoder = GzEncoder::new(file, Compression::default());
            io::copy(&mut plain, &mut encoder)?;
            let file = encoder.finish()?;
            file.set_permissions(fs::Permissions::from_mode(SEALED))?;
            file.sync_all()?;
            fs::rename(&beside, &target)
        };
        let written = write();
        if written.is_err() {
            // What is left of it only takes room.
            let _ = fs::remove_file(&beside);
        }
        written.map_err(at(&target))?;
        self.sync()?;
        fs::remove_file(&segment.path).map_err(at(&segment.path))?;
        self.sync()
    }

    pub(crate) fn sync(&self) -> Result<(), FolderError> {
        File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(at(&self.0))
    }
}

/// Puts `bytes` in the place of a file, as a whole or not at all.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FolderError> {
    let beside = path.with_extension("tmp");
    let write = || {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(mode).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    };
    write().map_err(at(path))
}

pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> FolderError + use<'_> {
    move |error| FolderError { path: path.to_owned(), error }
}
