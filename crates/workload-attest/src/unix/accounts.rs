//! Names of users and groups, read from `passwd` and `group` as a statically linked program must.

use std::path::{Path, PathBuf};

/// The account files of a host.
pub(super) struct Accounts {
    etc_root: PathBuf,
}

impl Accounts {
    pub(super) fn new(etc_root: &Path) -> Self {
        Self { etc_root: etc_root.to_owned() }
    }

    /// Name of the user `uid`, if it has one.
    pub(super) fn user(&self, uid: u32) -> Option<String> {
        self.name("passwd", uid)
    }

    /// Name of the group `gid`, if it has one.
    pub(super) fn group(&self, gid: u32) -> Option<String> {
        self.name("group", gid)
    }

    /// In both files the name is the first field and the number the third.
    fn name(&self, file: &str, number: u32) -> Option<String> {
        let text = std::fs::read_to_string(self.etc_root.join(file)).ok()?;
        text.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| !name.is_empty())?;
            (fields.nth(1)?.parse() == Ok(number)).then(|| name.to_owned())
        })
    }
}
