//! What is deployed comes from one place each: permissions from the code that asks, manifests from the chart.

mod crds;
pub mod monitoring;
mod rbac;
mod render;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub use render::{manifests, template};

/// Texts by their paths in the repository.
pub type Files = BTreeMap<PathBuf, String>;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What of the chart is written from the code.
///
/// # Errors
/// When a definition can't be written down, which no definition is known to do.
pub fn chart_files() -> Result<Files> {
    let chart = Path::new(render::CHART);
    let mut files = Files::new();
    files.extend(rbac::templates().into_iter().map(|(name, text)| (chart.join("templates").join(name), text)));
    files.extend(crds::files()?.into_iter().map(|(name, text)| (chart.join("files/crds").join(name), text)));
    let policy = steeple_registration::manifests::admission_policy_yaml()?;
    files.insert(
        chart.join("files/admission-policy.yaml"),
        format!("# Written by `cargo xtask manifests` from the code.\n{policy}"),
    );
    files.extend(monitoring::files()?);
    Ok(files)
}

/// The paths of files that are not there as they should be.
///
/// # Errors
/// When a file can't be read for another reason than that there is none.
pub fn stale(root: &Path, files: &Files) -> Result<Vec<String>> {
    let mut stale = Vec::new();
    for (path, text) in files {
        match std::fs::read_to_string(root.join(path)) {
            Ok(there) if there == *text => {}
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("reading {}", path.display()));
            }
            _ => stale.push(path.display().to_string()),
        }
    }
    Ok(stale)
}

/// Writes the files.
///
/// # Errors
/// When one can't be written.
pub fn write(root: &Path, files: &Files) -> Result<()> {
    for (path, text) in files {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chart_grants_what_the_code_asks_for() {
        assert_eq!(stale(&root(), &chart_files().unwrap()).unwrap(), [""; 0], "run `cargo xtask manifests`");
    }

    #[test]
    fn files_that_differ_or_are_missing_are_stale() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::from([("a/b".into(), "one".to_owned()), ("c".into(), "two".to_owned())]);
        write(folder.path(), &files).unwrap();
        assert_eq!(stale(folder.path(), &files).unwrap(), [""; 0]);
        std::fs::write(folder.path().join("a/b"), "other").unwrap();
        std::fs::remove_file(folder.path().join("c")).unwrap();
        assert_eq!(stale(folder.path(), &files).unwrap(), ["a/b", "c"]);
    }
}
