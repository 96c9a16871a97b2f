//! Where something is mounted, read from `/proc/<pid>/mountinfo` (proc(5)).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Index of the field that tells the mount point.
const MOUNT_POINT: usize = 4;

/// The mount points in the order of the table; one on which several things are mounted stands there several times. Lines
/// that are too short are passed over.
pub fn mount_points(table: &[u8]) -> Vec<PathBuf> {
    let point = |line: &[u8]| line.split(|byte| *byte == b' ').nth(MOUNT_POINT).map(unescaped);
    table.split(|byte| *byte == b'\n').filter_map(point).collect()
}

/// A path as it is: the kernel writes blank, tab, newline and backslash as a backslash with three octal digits.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        match (first, octal(after)) {
            (b'\\', Some(byte)) => {
                path.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            (byte, _) => {
                path.push(*byte);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(path))
}

fn octal(digits: &[u8]) -> Option<u8> {
    let digits = digits.get(..3)?;
    if !digits.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(table: &str) -> Vec<String> {
        mount_points(table.as_bytes()).into_iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn mount_points_are_read_in_order() {
        let table = "22 27 0:21 / /sys rw,nosuid - sysfs sysfs rw\n\
                     80 27 8:1 /a/b /mnt/x rw shared:1 master:2 - ext4 /dev/sda1 rw\n\
                     81 27 8:1 /c /mnt/x rw - ext4 /dev/sda1 rw\n";
        assert_eq!(points(table), ["/sys", "/mnt/x", "/mnt/x"]);
    }

    #[test]
    fn escaped_bytes_are_those_of_the_path() {
        assert_eq!(points("1 2 3 / /with\\040blank\\011tab\\134040 rw"), ["/with blank\ttab\\040"]);
        assert_eq!(points("1 2 3 / /no\\04octal\\9 rw"), ["/no\\04octal\\9"]);
        assert_eq!(points("1 2 3 / /beyond\\777 rw"), ["/beyond\\777"]);
    }

    #[test]
    fn lines_that_are_no_mounts_are_passed_over() {
        assert_eq!(points("\n1 2 3\n\n1 2 3 / /here"), ["/here"]);
    }
}
