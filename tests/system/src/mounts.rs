//! File systems of a test's own, in a mount namespace that ends with it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

const INSIDE: &str = "STEEPLE_OWN_MOUNTS";

/// Runs `body` of the test named `test` where it may mount; where nobody may, says so and runs nothing.
///
/// # Errors
/// Of the body, in the process that runs it.
pub fn with_own_mounts(test: &str, body: impl FnOnce() -> Result<()>) -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let Some(flags) = [&["--mount"][..], &["--map-root-user", "--mount"]].into_iter().find(|flags| may_mount(flags))
    else {
        return left_out(test);
    };
    let mut inside = Command::new("unshare");
    inside.args(flags).arg(std::env::current_exe()?).args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    let output = inside.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !said.contains("1 passed") {
        bail!("{said}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Notes that a test had not what it needs, unless everything is required.
fn left_out(test: &str) -> Result<()> {
    let reason = "there is no `unshare`, or this user may not mount with it";
    if std::env::var("STEEPLE_REQUIRE_PEERS").is_ok_and(|value| value == "1") {
        bail!("{test}: {reason}");
    }
    eprintln!("{test}: not run, {reason}");
    if let Some(list) = std::env::var_os("STEEPLE_SKIPPED") {
        let mut list = std::fs::File::options().create(true).append(true).open(list)?;
        writeln!(list, "{test}")?;
    }
    Ok(())
}

fn may_mount(flags: &[&str]) -> bool {
    let mut probe = Command::new("unshare");
    probe.args(flags).args(["mount", "-t", "tmpfs", "none", "/mnt"]);
    let probe = probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    probe.is_ok_and(|status| status.success())
}

/// Mounts an empty file system of `size`, such as `2m`, at `folder`.
///
/// # Errors
/// When the mount fails.
pub fn small_disk(folder: &Path, size: &str) -> Result<()> {
    mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "none"], folder)
}

/// Makes the file system at `folder` read-only, or writable again.
///
/// # Errors
/// When the mount fails.
pub fn set_read_only(folder: &Path, read_only: bool) -> Result<()> {
    mount(&["-o", if read_only { "remount,ro" } else { "remount,rw" }], folder)
}

/// Takes all space that is left on the file system of `folder`; removing the file that it names gives it back.
///
/// # Errors
/// When the file can't be made.
pub fn fill(folder: &Path) -> Result<std::path::PathBuf> {
    use std::io::Write;
    let path = folder.join("filler");
    let mut file = std::fs::File::create(&path)?;
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    Ok(path)
}

fn mount(arguments: &[&str], folder: &Path) -> Result<()> {
    let status = Command::new("mount").args(arguments).arg(folder).status()?;
    if !status.success() {
        bail!("mount {arguments:?} {}: {status}", folder.display());
    }
    Ok(())
}
