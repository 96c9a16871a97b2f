//! Bind mounts of this machine.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, mount_bind, unmount};

use crate::mountinfo::mount_points;

/// What mounts. Tests have a table of their own in place of the kernel's.
pub trait Mounts: Send + Sync {
    /// All mount points, the latest last.
    ///
    /// # Errors
    /// When the table can't be read.
    fn points(&self) -> io::Result<Vec<PathBuf>>;

    /// Whether two paths show the very same directory.
    fn same(&self, one: &Path, other: &Path) -> bool;

    /// Shows the directory `source` at `target` too.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn bind(&self, source: &Path, target: &Path) -> io::Result<()>;

    /// Takes away what was mounted last at `target`.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn unmount(&self, target: &Path) -> io::Result<()>;
}

/// The kernel's mounts, in the mount namespace of this process.
#[derive(Clone, Copy, Debug)]
pub struct SystemMounts;

impl Mounts for SystemMounts {
    fn points(&self) -> io::Result<Vec<PathBuf>> {
        Ok(mount_points(&std::fs::read("/proc/self/mountinfo")?))
    }

    fn same(&self, one: &Path, other: &Path) -> bool {
        let place = |path| std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        place(one).is_some_and(|one| place(other) == Some(one))
    }

    fn bind(&self, source: &Path, target: &Path) -> io::Result<()> {
        Ok(mount_bind(source, target)?)
    }

    fn unmount(&self, target: &Path) -> io::Result<()> {
        Ok(unmount(target, UnmountFlags::empty())?)
    }
}
