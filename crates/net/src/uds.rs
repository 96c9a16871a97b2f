//! Unix sockets at paths.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Why a socket could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens there.
    #[error("socket {0} is in use: another process listens on it; stop it or choose another path")]
    InUse(PathBuf),
    /// Something that is no socket stands there.
    #[error("{0} exists and is not a socket; remove it or choose another path")]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("unable to listen on socket {path}: {source}")]
    Refused {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Listens at `path` with the permissions `socket_mode`. Its folder is made with exactly `folder_mode` if it is not there,
/// whatever the umask: workloads of all users have to reach a socket that is meant for them. A socket that nobody listens on
/// any more is removed first.
///
/// # Errors
/// [`BindError`].
pub fn bind(path: &Path, folder_mode: u32, socket_mode: u32) -> Result<UnixListener, BindError> {
    let refused = |source| BindError::Refused { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create_folder(folder, folder_mode).map_err(refused)?;
    }
    remove_stale(path)?;
    let listener = UnixListener::bind(path).map_err(refused)?;
    fs::set_permissions(path, Permissions::from_mode(socket_mode)).map_err(refused)?;
    Ok(listener)
}

/// Makes a folder and those above it that are not there.
fn create_folder(folder: &Path, mode: u32) -> io::Result<()> {
    let missing: Vec<&Path> =
        folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        DirBuilder::new().recursive(true).mode(mode).create(folder)?;
        fs::set_permissions(folder, Permissions::from_mode(mode))?;
    }
    Ok(())
}

fn remove_stale(path: &Path) -> Result<(), BindError> {
    let refused = |source| BindError::Refused { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(refused(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => Err(BindError::NotASocket(path.to_owned())),
        Ok(_) if UnixStream::connect(path).is_ok() => Err(BindError::InUse(path.to_owned())),
        Ok(_) => fs::remove_file(path).map_err(refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stale_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/api.sock");
        let first = bind(&path, 0o755, 0o777).unwrap();
        assert!(matches!(bind(&path, 0o755, 0o777), Err(BindError::InUse(_))));
        drop(first);
        let _second = bind(&path, 0o755, 0o770).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o770);
    }

    #[tokio::test]
    async fn folders_have_their_mode_whatever_the_umask() {
        let dir = tempfile::tempdir().unwrap();
        // No umask that a test may have leaves the group's and the others' right to write.
        let _listener = bind(&dir.path().join("a/b/api.sock"), 0o777, 0o777).unwrap();
        for folder in ["a", "a/b"] {
            assert_eq!(fs::metadata(dir.path().join(folder)).unwrap().permissions().mode() & 0o777, 0o777, "{folder}");
        }
    }

    #[tokio::test]
    async fn file_in_the_way_is_named_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        fs::write(&path, "precious").unwrap();
        assert!(bind(&path, 0o755, 0o777).unwrap_err().to_string().contains("is not a socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
