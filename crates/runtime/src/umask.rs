//! The file mode mask of a daemon.

use rustix::fs::Mode;

/// Takes write from the group and everything from others (0027) for files made from now on, in addition to what the mask
/// already takes.
pub fn tighten_umask() {
    let least = Mode::from_raw_mode(0o027);
    let current = rustix::process::umask(least);
    rustix::process::umask(current | least);
}
