//! `deploy/containers`: which files are in the images, and which images there are.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// What `deploy/containers` says.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) tree: Vec<Node>,
    pub(crate) images: Vec<Image>,
}

/// One file, link or folder of the tree.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// From the root, without the leading slash.
    pub(crate) path: String,
    pub(crate) mode: u32,
    pub(crate) owner: Owner,
    pub(crate) content: Content,
}

/// A user and a group, by number: an image from scratch has no names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// Where the bytes of a node come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Directory,
    /// A symbolic link with its destination.
    Link(String),
    Program,
    Certificates,
    Sbom,
}

/// One image: the tree, run in one way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// Name and tag.
    pub(crate) name: String,
    pub(crate) owner: Owner,
    /// Where it runs: paths of its arguments may be relative to it.
    pub(crate) folder: String,
    pub(crate) entry_point: Vec<String>,
}

/// Reads `tree.txt` and `images.txt` of a folder.
///
/// # Errors
/// When a file is missing, or a line isn't in its form; the message has the line.
pub(crate) fn read(folder: &Path) -> Result<Plan> {
    Ok(Plan { tree: table(&folder.join("tree.txt"), node)?, images: table(&folder.join("images.txt"), image)? })
}

fn table<T>(path: &Path, row: fn(&[&str]) -> Result<T>) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let rows = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    rows.map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        row(&words).with_context(|| format!("{}: {line:?}", path.display()))
    })
    .collect()
}

fn node(words: &[&str]) -> Result<Node> {
    let [path, mode, owner, content @ ..] = words else { bail!("wants path, mode, owner and content") };
    let content = match content {
        ["directory"] => Content::Directory,
        ["link", destination] => Content::Link((*destination).to_owned()),
        ["program"] => Content::Program,
        ["certificates"] => Content::Certificates,
        ["sbom"] => Content::Sbom,
        other => bail!("unknown content {other:?}"),
    };
    let path = path.strip_prefix('/').context("a path begins with a slash")?.to_owned();
    Ok(Node { path, mode: u32::from_str_radix(mode, 8).context("mode")?, owner: owned_by(owner)?, content })
}

fn image(words: &[&str]) -> Result<Image> {
    let [name, owner, folder, entry_point @ ..] = words else { bail!("wants name, user, folder and entry point") };
    if !folder.starts_with('/') || entry_point.is_empty() {
        bail!("wants a folder from the root, and an entry point");
    }
    let entry_point = entry_point.iter().map(|word| (*word).to_owned()).collect();
    Ok(Image { name: (*name).to_owned(), owner: owned_by(owner)?, folder: (*folder).to_owned(), entry_point })
}

fn owned_by(text: &str) -> Result<Owner> {
    let (user, group) = text.split_once(':').context("an owner is user:group")?;
    Ok(Owner { user: user.parse().context("user")?, group: group.parse().context("group")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_node() {
        let read = node(&["/a/b", "1777", "7:8", "link", "c"]).unwrap();
        let owner = Owner { user: 7, group: 8 };
        assert_eq!(read, Node { path: "a/b".into(), mode: 0o1777, owner, content: Content::Link("c".into()) });
    }

    #[test]
    fn lines_in_another_form_are_refused() {
        for line in ["/a 0755 0:0", "/a 0755 0:0 magic", "a 0755 0:0 directory", "/a 9 0:0 sbom", "/a 0755 root sbom"] {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert!(node(&words).is_err(), "{line}");
        }
        for line in ["steeple:local 0:0", "steeple:local 0:0 /", "steeple:local 0:0 opt /bin/it"] {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert!(image(&words).is_err(), "{line}");
        }
    }
}
