//! The files of the images, as a layer and as a folder.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tar::{Builder, EntryType, Header};

use super::plan::{Content, Node, Owner};

const ROOT: Owner = Owner { user: 0, group: 0 };

/// Where the contents of files lie on this machine.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) program: PathBuf,
    pub(crate) certificates: PathBuf,
    pub(crate) sbom: PathBuf,
}

impl Sources {
    fn read(&self, content: &Content) -> Result<Vec<u8>> {
        let path = match content {
            Content::Directory | Content::Link(_) => return Ok(Vec::new()),
            Content::Program => &self.program,
            Content::Certificates => &self.certificates,
            Content::Sbom => &self.sbom,
        };
        std::fs::read(path).with_context(|| match content {
            Content::Certificates => format!("reading {} (apt-get install ca-certificates)", path.display()),
            _ => format!("reading {}", path.display()),
        })
    }
}

/// The tree as a tar archive. The same files yield the same bytes: no times, no names of users, a fixed order.
///
/// # Errors
/// When a source can't be read.
pub(crate) fn pack(tree: &[Node], sources: &Sources) -> Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    for (path, node) in with_parents(tree) {
        let Some(node) = node else {
            archive.append_data(&mut header(0o755, ROOT, EntryType::Directory, 0), path, &[][..])?;
            continue;
        };
        let bytes = sources.read(&node.content)?;
        match &node.content {
            Content::Link(to) => {
                archive.append_link(&mut header(node.mode, node.owner, EntryType::Symlink, 0), path, to)?;
            }
            Content::Directory => {
                archive.append_data(&mut header(node.mode, node.owner, EntryType::Directory, 0), path, &[][..])?;
            }
            _ => {
                let mut header = header(node.mode, node.owner, EntryType::Regular, bytes.len() as u64);
                archive.append_data(&mut header, path, bytes.as_slice())?;
            }
        }
    }
    Ok(archive.into_inner()?)
}

/// The tree as a folder, in place of what was there. Only root can give files to others, so for others all is their own.
///
/// # Errors
/// When a source can't be read or the folder can't be written.
pub(crate) fn write_folder(tree: &[Node], sources: &Sources, folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder)?;
    for (path, node) in with_parents(tree) {
        let at = folder.join(path);
        write_node(&at, node, sources).with_context(|| format!("writing {}", at.display()))?;
    }
    Ok(())
}

fn write_node(at: &Path, node: Option<&Node>, sources: &Sources) -> Result<()> {
    let (mode, owner) = node.map_or((0o755, ROOT), |node| (node.mode, node.owner));
    match node.map_or(&Content::Directory, |node| &node.content) {
        Content::Directory => std::fs::create_dir(at)?,
        Content::Link(to) => return Ok(symlink(to, at)?),
        content => std::fs::write(at, sources.read(content)?)?,
    }
    // Ignored where one isn't root.
    let _ = lchown(at, Some(owner.user), Some(owner.group));
    Ok(std::fs::set_permissions(at, PermissionsExt::from_mode(mode))?)
}

/// Every node in the order of paths, and the folders above them that nobody names.
fn with_parents(tree: &[Node]) -> Vec<(&str, Option<&Node>)> {
    let mut paths = BTreeSet::new();
    for node in tree {
        paths.extend(node.path.match_indices('/').filter_map(|(end, _)| node.path.get(..end)));
        paths.insert(&node.path);
    }
    paths.into_iter().map(|path| (path, tree.iter().find(|node| node.path == path))).collect()
}

fn header(mode: u32, owner: Owner, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(u64::from(owner.user));
    header.set_gid(u64::from(owner.group));
    header.set_mtime(0);
    header.set_size(size);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(path: &str) -> Node {
        Node { path: path.into(), mode: 0o1777, owner: Owner { user: 7, group: 8 }, content: Content::Directory }
    }

    #[test]
    fn folders_above_come_before_and_belong_to_root() {
        let tree = [directory("a/b/c"), directory("a/b")];
        let named: Vec<_> = with_parents(&tree).into_iter().map(|(path, node)| (path, node.is_some())).collect();
        assert_eq!(named, [("a", false), ("a/b", true), ("a/b/c", true)]);
    }

    #[test]
    fn a_layer_keeps_modes_owners_and_links() {
        let link = Node { content: Content::Link("c".into()), ..directory("a/link") };
        let sources = Sources { program: "/nowhere".into(), certificates: "/nowhere".into(), sbom: "/nowhere".into() };
        let packed = pack(&[directory("a"), link], &sources).unwrap();
        let mut archive = tar::Archive::new(packed.as_slice());
        let seen: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let link = entry.link_name().unwrap().map(|to| to.display().to_string());
                (entry.path().unwrap().display().to_string(), header.mode().unwrap(), header.uid().unwrap(), link)
            })
            .collect();
        assert_eq!(seen, [("a".into(), 0o1777, 7, None), ("a/link".into(), 0o1777, 7, Some("c".to_owned()))]);
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let program = Node { content: Content::Program, ..directory("p") };
        let sources = Sources { program: "/nowhere/p".into(), certificates: "/x".into(), sbom: "/x".into() };
        let refused = pack(&[program], &sources).unwrap_err();
        assert_eq!(refused.to_string(), "reading /nowhere/p");
    }
}
