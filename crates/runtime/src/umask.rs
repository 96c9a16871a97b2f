//! The file mode mask of a daemon.

use rustix::fs::Mode;

/// Takes write from the group and everything from others (0027) for files made from now on, in addition to what the mask
/// already takes. Tells the mask before and the mask now if they differ.
pub fn tighten_umask() -> Option<(u32, u32)> {
    let least = Mode::from_raw_mode(0o027);
    let before = rustix::process::umask(least);
    let now = before | least;
    rustix::process::umask(now);
    (before != now).then(|| (before.as_raw_mode(), now.as_raw_mode()))
}
