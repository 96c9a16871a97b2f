//! The lines of `/proc/<pid>/status` that tell who a process runs as.

use std::io;
use std::path::Path;

/// Who a process runs as.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) effective_uid: u32,
    pub(super) effective_gid: u32,
    pub(super) groups: Vec<u32>,
}

impl Status {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        Self::parse(&std::fs::read_to_string(path)?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no effective user or group in its status"))
    }

    fn parse(text: &str) -> Option<Self> {
        let (mut uid, mut gid, mut groups) = (None, None, Vec::new());
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            match key {
                // Real, effective, saved, file system: the second counts.
                "Uid" => uid = value.split_whitespace().nth(1)?.parse().ok(),
                "Gid" => gid = value.split_whitespace().nth(1)?.parse().ok(),
                "Groups" => groups = value.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?,
                _ => {}
            }
        }
        Some(Self { effective_uid: uid?, effective_gid: gid?, groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_or_broken_lines_yield_nothing() {
        assert_eq!(Status::parse("Uid:\t1 2 3 4\n"), None);
        assert_eq!(Status::parse("Uid:\t1\nGid:\t1 2 3 4\n"), None);
        assert_eq!(
            Status::parse("Uid:\t1 2 3 4\nGid:\t5 6 7 8\nGroups:\n"),
            Some(Status { effective_uid: 2, effective_gid: 6, groups: vec![] })
        );
    }
}
